"""Which failures are printed as one line, and which with their tracebacks."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

from xlgen.cli import main
from xlgen.cli.console import app
from xlgen.core.errors import DEBUG, describe_error, is_out_of_memory, report
from xlgen.core.interrupt import InterruptedRunError
from xlgen.core.registry import InputError, RunEndedError
from xlgen.experiments.auto import UndecidedError
from xlgen.experiments.execute import failures
from xlgen.experiments.plan import load_study
from xlgen.experiments.smoke import run_smoke
from xlgen.experiments.worker import train_one
from xlgen.training.loop import TrainingDivergedError

MEMORY = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("CUDA error: out of memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory: you tried 9 bytes"),
]
MACHINE = [
    RuntimeError("CUDA error: all CUDA-capable devices are busy or unavailable"),
    RuntimeError("CUDA error: no kernel image is available for execution on the device"),
    RuntimeError("can't start new thread"),
]
MISTAKES = [
    RuntimeError("The size of tensor a (3) must match the size of tensor b (4)"),
    NotImplementedError("a method without a body"),
    OSError("a library's own words"),
    ValueError("a figure is null"),
    KeyError("figure"),
]


def test_an_allocation_that_pytorch_refuses_is_recognized() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50, dtype=torch.uint8)
    assert is_out_of_memory(caught.value) and describe_error(caught.value) is not None


@pytest.mark.parametrize("error", [*MEMORY, *MACHINE], ids=str)
def test_what_the_user_can_fix_about_the_machine_is_one_line_and_2(error: Exception) -> None:
    found = describe_error(error)
    assert found is not None and found[0] == 2 and "\n" not in found[1]
    assert "lower" in found[1] or "GPU" in found[1]


@pytest.mark.parametrize("kind", [TrainingDivergedError, InterruptedRunError, UndecidedError])
def test_a_run_that_ended_for_a_known_reason_is_one_line_and_1(kind: type[RunEndedError]) -> None:
    assert describe_error(kind("the loss is nan")) == (1, "the loss is nan")


@pytest.mark.parametrize("error", MISTAKES, ids=repr)
def test_a_mistake_in_the_program_keeps_its_traceback(error: Exception) -> None:
    assert describe_error(error) is None
    assert report(error) == (1, f"{type(error).__name__}: {error}")


def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["xlgen", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    return int(caught.value.code or 0), capfd.readouterr().err


@pytest.mark.parametrize("how", ["flag", "environment", "0", ""])
def test_debug_shows_the_traceback_of_a_user_error(
    how: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(DEBUG, {"environment": "1", "0": "0"}.get(how, ""))
    flags = ["--debug"] if how == "flag" else []
    code, said = run(monkeypatch, capfd, *flags, "train", str(tmp_path / "no.yaml"), "--out", str(tmp_path / "out"))
    shown = how in ("flag", "environment")
    assert code == 2 and ("Traceback" in said) is shown
    assert said.splitlines()[-1].startswith("error: ")
    assert (os.environ[DEBUG] == "1") is shown


def test_an_unexpected_error_leaves_the_command_line_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MISTAKES[0]

    monkeypatch.setattr("xlgen.cli.app", fail)
    with pytest.raises(RuntimeError, match="size of tensor"):
        main()


def test_help_names_the_flag_and_the_variable(monkeypatch: pytest.MonkeyPatch, capfd: Any) -> None:
    monkeypatch.setattr("sys.argv", ["xlgen", "--help"])
    with pytest.raises(SystemExit):
        app()
    shown = capfd.readouterr().out
    assert "--debug" in shown and DEBUG in shown


@pytest.mark.parametrize(("debug", "shown"), [("", False), ("1", True)])
def test_a_worker_prints_the_same(
    debug: str, shown: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(DEBUG, debug)
    assert train_one({"backbone": "pocket-mt5", "stepz": 3}, tmp_path / "run") == 2
    said = capfd.readouterr().out
    assert ("Traceback" in said) is shown and "unknown key 'stepz'" in said


def test_a_worker_keeps_the_traceback_of_a_mistake(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise MISTAKES[0]

    monkeypatch.setattr("xlgen.training.run.train", fail)
    recipe = load_study("pocket-grid").runs[0].recipe.model_dump(mode="json")
    assert train_one(recipe, tmp_path / "run") == 1
    said = capfd.readouterr().out
    assert "Traceback" in said and "in fail" in said


@pytest.mark.parametrize(("error", "shown"), [(MISTAKES[0], True), (InputError("no such task"), False)])
def test_a_rehearsal_keeps_the_traceback_of_a_mistake(
    error: Exception, shown: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("xlgen.training.run.train", fail)
    said: list[str] = []
    failed = run_smoke(load_study("quickstart"), tmp_path, said.append)
    assert failed and ("in fail" in "\n".join(said)) is shown
    assert all(str(error) in line for line in failures(failed))
