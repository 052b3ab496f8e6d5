"""What goes wrong around a study: bad files, a full disk, damaged folders, wrong clocks, two launches at once.

Every case goes through the command line; nothing that was done is lost or done twice.
"""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from xlgen.cli import main
from xlgen.experiments.execute import execute
from xlgen.experiments.plan import PlannedRun, load_study
from xlgen.experiments.worker import train_one
from xlgen.experiments.worker_pool import Worker
from xlgen.runs.folder import lock_run
from xlgen.training.run import train

BASE: dict[str, Any] = {
    "backbone": "pocket-mt5",
    "task": "pocket-titles",
    "evaluation": {"split": "test", "examples": 2, "languages": ["en", "th", "ar"], "bootstrap": 0},
}
LEADS = {f"lead{n}": {"baseline": {"name": "lead", "tokens": n}} for n in (2, 3, 4)}
"""Runs that need no training, so that a case is about the folders and the command alone."""


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Path]:
    def make(**config: Any) -> Path:
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({"name": "s", "base": BASE, **config}, sort_keys=False), encoding="utf-8")
        return path

    return make


def run(*command: str | Path) -> tuple[int, str]:
    """Exit code and all that was said, as from a shell."""
    done = subprocess.run(
        [sys.executable, "-m", "xlgen", *map(str, command)], capture_output=True, text=True, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, " ".join((done.stdout + done.stderr).split())


def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *command: str | Path) -> str:
    """The message of a command that must end with exit code 2, in this process."""
    monkeypatch.setattr(sys, "argv", ["xlgen", *map(str, command)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.spread(6)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("name: [", "study.yaml is not valid YAML"),
        ("- a\n- b\n", "study.yaml"),
        ("", "base"),
        (b"name: \xff", "study.yaml is not UTF-8 text"),
        ({"name": "s", "runs": {"a": {}}}, "base"),
        ({"name": "s", "base": BASE}, "a study needs `runs`, `axes` or `grids`"),
        ({"name": "s", "base": BASE, "axes": {}}, "axes"),
        ({"name": "s", "base": BASE, "run": {"a": {}}}, "runs"),
        ({"name": "s", "base": BASE, "axes": {"trainin.learning_rate": [1e-3]}}, "training"),
        ({"name": "s", "base": BASE, "axes": {"training.learning_rate": [0]}}, "greater than 0"),
        ({"name": "s", "base": BASE, "axes": {"seed": ["many"]}}, "seed"),
        ({"name": "s", "base": BASE, "axes": {"seed": [0, 0]}}, "two runs are called"),
        ({"name": "s", "base": BASE, "runs": {"a/../../b": {}}}, "a/../../b"),
        ({"name": "s", "base": BASE, "runs": {"a": {}}, "search": {"policy": "halvin"}}, "halving"),
        ({"name": "s", "base": BASE, "runs": {"a": {}}, "search": {"policy": {"name": "halving", "eta": 1}}}, "eta"),
        ({"name": "s", "base": BASE, "runs": {"a": {}}, "search": {"repeat": {"sed": [1]}}}, "sed"),
    ],
)
def test_bad_study_files(
    content: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "study.yaml", tmp_path / "out"
    path.write_bytes(
        content
        if isinstance(content, bytes)
        else (content if isinstance(content, str) else yaml.safe_dump(content)).encode()
    )
    assert message in refused(monkeypatch, capsys, "study", path, "--out", out)
    assert not out.exists(), "nothing is made of a study that is wrong"


# Imported by every process when it starts: two files do not get to the disk.
FULL_DISK = """
import errno, os
sync = os.fsync
def fsync(file):
    if any(part in os.readlink(f"/proc/self/fd/{file}") for part in ("/lead2/recipe.yaml.", "/lead4/state.json.")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    sync(file)
os.fsync = fsync
"""


@pytest.mark.exhaustive
def test_a_full_disk_fails_the_runs_it_meets_and_no_other(
    study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no room once where a run's recipe is to go, once where its state is."""
    runs = tmp_path / "out" / "runs"
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "sitecustomize.py").write_text(FULL_DISK, encoding="utf-8")
    path = study(runs=LEADS)
    paths = [str(tmp_path / "full"), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    code, said = run("study", path, "--out", tmp_path / "out", "--workers", "1")
    assert code == 1
    assert said.count("No space left on device") == 2 and "failed: lead2" in said and "failed: lead4" in said
    assert [folder.name for folder in runs.iterdir() if _status(folder) == "done"] == ["lead3"]
    before = _contents(runs / "lead3")
    monkeypatch.undo()
    assert run("study", path, "--out", tmp_path / "out", "--workers", "1")[0] == 0
    assert all(_status(runs / name) == "done" for name in LEADS)
    assert _contents(runs / "lead3") == before


@pytest.mark.exhaustive
def test_half_written_folders(study: Callable[..., Path], tmp_path: Path) -> None:
    """What a kill, or a disk, left in the middle is made again; what is damaged beyond that is named, and kept."""
    path, out = study(runs=LEADS), tmp_path / "out"
    assert run("study", path, "--out", out, "--workers", "1")[0] == 0
    whole = {name: _contents(out / "runs" / name) for name in LEADS}
    (out / "runs" / "lead2" / "state.json").write_text('{"stage": 0, "st')
    log = out / "runs" / "lead2" / "metrics.jsonl"
    log.write_bytes(log.read_bytes()[:-20])
    recipe = out / "runs" / "lead3" / "recipe.yaml"
    recipe.write_bytes(recipe.read_bytes()[:100])
    (out / "summary.json").write_text("{")
    (out / "runs" / "lead4" / "state.json").unlink()
    code, said = run("study", path, "--out", out, "--workers", "1")
    assert code == 2 and "runs/lead3 has a finished run whose recipe.yaml is damaged; move the folder away" in said
    (recipe).write_text(_resolved(path, "lead3"), encoding="utf-8")
    assert run("study", path, "--out", out, "--workers", "1")[0] == 0
    assert {name: _contents(out / "runs" / name) for name in LEADS} == whole
    json.loads((out / "summary.json").read_text(encoding="utf-8"))


@pytest.mark.exhaustive
@pytest.mark.parametrize("year", [1970, 2099])
def test_a_wrong_clock_makes_nothing_again(study: Callable[..., Path], tmp_path: Path, year: int) -> None:
    """Files from the past or the future, and a log in which time runs backwards."""
    path, out = study(runs=LEADS), tmp_path / "out"
    assert run("study", path, "--out", out, "--workers", "1")[0] == 0
    log = out / "runs" / "lead2" / "metrics.jsonl"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    lines = [json.dumps({**event, "time": 1e9 - place}) + "\n" for place, event in enumerate(events)]
    log.write_text("".join(lines), encoding="utf-8")
    before = {name: _contents(out / "runs" / name) for name in LEADS}
    seconds = (year - 1970) * 365 * 86_400
    for file in out.rglob("*"):
        os.utime(file, (seconds, seconds))
    code, said = run("study", path, "--out", out, "--workers", "1")
    assert code == 0 and "started" not in said
    assert {name: _contents(out / "runs" / name) for name in LEADS} == before
    assert "0 of 3 runs are left" in run("study", path, "--out", out, "--dry-run")[1]


@pytest.mark.exhaustive
def test_two_launches_at_once_do_each_run_once(study: Callable[..., Path], tmp_path: Path) -> None:
    path, out = (
        study(runs={f"lead{n}": {"baseline": {"name": "lead", "tokens": n}} for n in range(1, 7)}),
        tmp_path / "out",
    )
    command = [sys.executable, "-m", "xlgen", "study", str(path), "--out", str(out), "--workers", "1"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(2)]
    said = [process.communicate()[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    for n in range(1, 7):
        events = (out / "runs" / f"lead{n}" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        assert sum(json.loads(line)["event"] == "start" for line in events) == 1
        assert _status(out / "runs" / f"lead{n}") == "done"


def test_what_another_finished_while_one_waited_is_left_alone(study: Callable[..., Path], tmp_path: Path) -> None:
    (planned,) = load_study(str(study(runs={"lead2": LEADS["lead2"]}))).runs
    folder = tmp_path / "runs" / "lead2"
    folder.parent.mkdir()
    codes: list[int] = []
    with lock_run(folder):
        waiting = threading.Thread(
            target=lambda: codes.append(train_one(planned.recipe.model_dump(mode="json"), folder))
        )
        waiting.start()
        train(planned.recipe, folder)
        before = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}
    waiting.join()
    assert codes == [0]
    after = {file: (file.stat().st_mtime_ns, file.read_bytes()) for file in folder.rglob("*") if file.is_file()}
    assert after == before


def test_a_launcher_that_cannot_write_goes_on_with_the_next_run(
    study: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def train_on(self: Worker, run: PlannedRun, folder: Path, watch: object, threads: int) -> int:
        if run.name == "lead2":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return 0

    monkeypatch.setattr(Worker, "train", train_on)
    failed = execute(load_study(str(study(runs=LEADS))), tmp_path / "out", 1, Console(quiet=True))
    assert list(failed) == ["lead2"] and "No space left on device" in failed["lead2"]


def _resolved(study: Path, name: str) -> str:
    (found,) = (run for run in load_study(str(study)).runs if run.name == name)
    return yaml.safe_dump({"recipe": found.recipe.model_dump(mode="json")})


def _status(folder: Path) -> str | None:
    file = folder / "state.json"
    return json.loads(file.read_text(encoding="utf-8"))["status"] if file.exists() else None


def _contents(folder: Path) -> dict[str, Any]:
    """What a run says, without when it said it."""
    found: dict[str, Any] = {}
    for file in sorted(folder.rglob("*")):
        if file.name == "metrics.jsonl":
            lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
            found[file.name] = [{k: v for k, v in line.items() if k != "time"} for line in lines]
        elif file.name == "recipe.yaml":
            found[file.name] = yaml.safe_load(file.read_text(encoding="utf-8"))["recipe"]
        elif file.is_file():
            found[str(file.relative_to(folder))] = file.read_bytes()
    return found
