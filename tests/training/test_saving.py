"""A checkpoint is saved before its evaluation, and older checkpoints are removed completely or not at all."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from xlgen.core.config import Recipe
from xlgen.core.interrupt import InterruptedRunError
from xlgen.core.progress import NoProgress
from xlgen.experiments.execute import is_done
from xlgen.experiments.plan import PlannedRun
from xlgen.runs import checkpoints
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.runs.folder import RunFolder
from xlgen.runs.resume_state import evaluation_due
from xlgen.training.callbacks import evaluate as module
from xlgen.training.callbacks import save_checkpoint
from xlgen.training.run import train

PLATEAU = {"metric": "correct_language_rate", "patience": 0, "threshold": 100.0}
"""No evaluation improves by this threshold, so each one except the first halves the learning rate."""


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe(tiny_task: Callable[..., str], tiny_mt5: Path) -> Callable[..., Recipe]:
    task = tiny_task(["en", "th"], size=24)

    def make(**training: Any) -> Recipe:
        settings = {"steps": 9, "learning_rate": 1e-3, "warmup_steps": 2, "batch_tokens": 300, "log_every": 1}
        evaluation = {"every": 3, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4}
        whole = {**settings, "dropout": 0.1, "plateau": PLATEAU, **training}
        config = {"name": "r", "backbone": str(tiny_mt5), "task": task, "training": whole, "evaluation": evaluation}
        return Recipe.model_validate(config)

    return make


@pytest.fixture(scope="module")
def whole(recipe: Callable[..., Recipe], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(recipe(), folder)
    return folder


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    found = [{k: v for k, v in json.loads(line).items() if k not in ("time", "steps_per_second")} for line in lines]
    return [event for event in found if event["event"] != "start"]


def weights(folder: Path) -> bytes:
    return (folder / "checkpoints" / "step-9" / "model.safetensors").read_bytes()


class Killed(BaseException):
    """Simulates the end of the process: no code catches it."""


def fail(*_: Any) -> None:
    raise RuntimeError("the metric does not work")


def kill(*_: Any) -> None:
    raise Killed


@pytest.mark.exhaustive
@pytest.mark.parametrize("save_every", [None, 4])
@pytest.mark.parametrize("failing", ["write_predictions", "score_rows"])
@pytest.mark.parametrize("last", [False, True])
def test_an_evaluation_that_fails_costs_no_training(
    last: bool, failing: str, save_every: int | None, whole: Path, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """The resumed run makes the evaluation, and its later steps have the learning rate after it."""
    asked, step = recipe(save_every=save_every), 9 if last else 6
    working = getattr(module, failing)

    def sometimes(*arguments: Any, **options: Any) -> Any:
        return fail() if (RunFolder(tmp_path / "run").state.step or 0) >= at else working(*arguments, **options)

    at = step if save_every is None or last else 4
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, failing, sometimes)
        with pytest.raises(RuntimeError, match="does not work"):
            train(asked, tmp_path / "run")
    newest = checkpoints_of(tmp_path / "run")[-1]
    assert newest.name == f"step-{step}" and evaluation_due(newest)
    assert not is_done(PlannedRun("run", asked, until=step), tmp_path / "run")
    train(asked, tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == events(whole)
    assert weights(tmp_path / "run") == weights(whole)
    assert not evaluation_due(checkpoints_of(tmp_path / "run")[-1])


@pytest.mark.exhaustive
@pytest.mark.parametrize("where", ["write_predictions", "score_rows", "after"])
@pytest.mark.parametrize("step", [3, 9])
def test_a_kill_during_an_evaluation(
    step: int, where: str, whole: Path, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    place, name = (save_checkpoint, "mark_evaluated") if where == "after" else (module, where)
    working = getattr(place, name)

    def sometimes(*arguments: Any, **options: Any) -> Any:
        return kill() if (RunFolder(tmp_path / "run").state.step or 0) >= step else working(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(place, name, sometimes)
        with pytest.raises(Killed):
            train(recipe(), tmp_path / "run")
    train(recipe(), tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == events(whole)
    assert weights(tmp_path / "run") == weights(whole)


class Terminating(NoProgress):
    """Sends the signal during an evaluation."""

    def task(self, name: str, total: int, done: int) -> Callable[[int], None]:
        return lambda units: os.kill(os.getpid(), signal.SIGTERM) if name == "evaluating at step 6" else None


@pytest.mark.exhaustive
def test_a_signal_during_an_evaluation(whole: Path, recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError, match="stopped after step 6"):
        train(recipe(), tmp_path / "run", progress=Terminating())
    assert not any(event["event"] == "evaluated" and event["step"] == 6 for event in events(tmp_path / "run"))
    train(recipe(), tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == events(whole)
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.exhaustive
def test_a_kill_while_older_checkpoints_are_removed(whole: Path, recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """No part of it keeps a checkpoint's name, and a resumed run removes the rest."""
    folder, asked = tmp_path / "run" / "checkpoints", recipe(keep_checkpoints=1)
    working = shutil.rmtree

    def half(path: Any, **options: Any) -> None:
        if Path(path).exists() and "step-3" in str(path) and not str(path).endswith("resume"):
            next(Path(path).glob("*.safetensors")).unlink()
            raise Killed
        working(path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "rmtree", half)
        with pytest.raises(Killed):
            train(asked, tmp_path / "run")
    assert [path.name for path in checkpoints_of(folder.parent)] == ["step-6"]
    assert len(list(folder.iterdir())) == 2, "the rest of the other one has another name"
    train(asked, tmp_path / "run", resume=True)
    assert [path.name for path in folder.iterdir()] == ["step-9"]
    assert weights(tmp_path / "run") == weights(whole)


@pytest.mark.exhaustive
def test_a_resumed_run_removes_checkpoints_of_a_killed_run(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    """The run is killed between saving the newest checkpoint and removing the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "remove_unneeded", lambda run, *_: kill() if len(checkpoints_of(run)) == 3 else None)
        with pytest.raises(Killed):
            train(recipe(keep_checkpoints=1), tmp_path / "run")
    assert len(checkpoints_of(tmp_path / "run")) == 3
    train(recipe(keep_checkpoints=1), tmp_path / "run", resume=True)
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-9"]


class Stopping(NoProgress):
    """Asks the run to stop after each step."""

    def task(self, name: str, total: int, done: int) -> Callable[[int], None]:
        return lambda units: os.kill(os.getpid(), signal.SIGTERM) if name == "training" else None


@pytest.mark.exhaustive
def test_a_checkpoint_of_an_interruption_is_removed_with_the_next_checkpoint(
    whole: Path, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    """So a run that was interrupted often needs no more disk space than any other."""
    folder = tmp_path / "run" / "checkpoints"
    for step in (1, 2, 3):
        with pytest.raises(InterruptedRunError, match=f"stopped after step {step}"):
            train(recipe(), tmp_path / "run", resume=step > 1, progress=Stopping())
        assert [path.name for path in checkpoints_of(folder.parent)] == [f"step-{step}"]
    train(recipe(), tmp_path / "run", resume=True)
    assert sorted(path.name for path in folder.iterdir()) == ["step-3", "step-6", "step-9"]
    assert weights(tmp_path / "run") == weights(whole)
    assert events(tmp_path / "run") == events(whole)
