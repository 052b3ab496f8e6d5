"""Workers end with the command that started them, however that ends, and what they were training is saved."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from xlgen.core.config import Recipe
from xlgen.experiments.execute import execute
from xlgen.experiments.plan import PlannedRun, load_study
from xlgen.experiments.worker_pool import Worker
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.runs.folder import FolderError, RunFolder, lock_run
from xlgen.training.run import train

STEPS = 160
SEED = {"one": 1, "two": 2}

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="children are found in /proc")


@pytest.fixture(scope="module")
def base(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str]) -> dict[str, Any]:
    return {
        "backbone": str(checkpoint("mt5")),
        "task": tiny_task(["en", "th"]),
        "training": {"steps": STEPS, "warmup_steps": 2, "batch_tokens": 300, "log_every": 1, "dropout": 0.1},
        "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
    }


@pytest.fixture(scope="module")
def study(base: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "study.yaml"
    runs = {name: {"seed": seed} for name, seed in SEED.items()}
    path.write_text(yaml.safe_dump({"name": "s", "base": base, "runs": runs}, sort_keys=False), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def whole(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The runs of the study without an interruption."""
    out = tmp_path_factory.mktemp("whole")
    for run in load_study(str(study)).runs:
        train(run.recipe, out / run.name)
    return out


def steps(folder: Path) -> list[tuple[int, float]]:
    log = folder / "metrics.jsonl"
    lines = log.read_text(encoding="utf-8").split("\n")[:-1] if log.exists() else []
    events = [json.loads(line) for line in lines]
    return [(event["step"], event["loss"]) for event in events if event["event"] == "step"]


def children(parent: int) -> list[int]:
    """The processes whose parent is ``parent``."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == parent:
            found.append(int(stat.parent.name))
    return found


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float = 100) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.005)


def command(study: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "xlgen", "study", str(study), "--out", str(out), "--workers", "2"]


ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def signalled(number: int) -> Callable[[Path, Path, Callable[[], bool]], Iterator[int]]:
    def run(study: Path, out: Path, begun: Callable[[], bool]) -> Iterator[int]:
        process = subprocess.Popen(
            command(study, out), env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            until(begun)
            yield process.pid
            process.send_signal(number)
            assert process.wait(60) == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)
        finally:
            process.kill()
            process.wait()

    return run


def with_its_terminal_closed(study: Path, out: Path, begun: Callable[[], bool]) -> Iterator[int]:
    process, terminal = pty.fork()
    if process == 0:
        os.execve(sys.executable, command(study, out), ENVIRONMENT)
    os.set_blocking(terminal, False)

    def read_and_ask() -> bool:
        with suppress(BlockingIOError):
            os.read(terminal, 65_536)
        return begun()

    try:
        until(read_and_ask)
        yield process
    finally:
        os.close(terminal)
    assert os.waitpid(process, 0)[1] != 0


ENDS = {
    "SIGTERM": signalled(signal.SIGTERM),
    "SIGKILL": signalled(signal.SIGKILL),
    "closed terminal": with_its_terminal_closed,
}


@pytest.mark.exhaustive
@pytest.mark.parametrize("end", ENDS)
def test_workers_end_with_the_study_having_saved(end: str, study: Path, whole: Path, tmp_path: Path) -> None:
    # On a busy machine a worker may be through before the other has begun, or before this process sees that they have.
    for out in (tmp_path / str(attempt) for attempt in range(4)):
        folders = [out / "runs" / name for name in SEED]
        if stopped := _ended(end, study, out, folders):
            break
    assert stopped
    for folder in stopped:
        (saved,) = checkpoints_of(folder)
        assert read_about(saved).step == steps(folder)[-1][0] < STEPS, "it stopped in the middle, having saved"
        assert RunFolder(folder).state.status == "interrupted"
    for run in load_study(str(study)).runs:
        train(run.recipe, out / "runs" / run.name, resume=True)
        assert steps(out / "runs" / run.name) == steps(whole / run.name)
        assert weights(out / "runs" / run.name) == weights(whole / run.name)


def _ended(end: str, study: Path, out: Path, folders: list[Path]) -> list[Path]:
    """Begin the study, end it, and see that its workers are gone: the folders of runs that were stopped."""
    ending = ENDS[end](study, out, lambda: all(len(steps(folder)) >= 5 for folder in folders))
    workers = children(next(ending))
    assert len(workers) == 2
    assert next(ending, None) is None
    until(lambda: not any(map(alive, workers)), 30)
    return [folder for folder in folders if RunFolder(folder).state.status != "done"]


def weights(folder: Path) -> bytes:
    return (folder / "checkpoints" / f"step-{STEPS}" / "model.safetensors").read_bytes()


def test_a_worker_ends_with_its_input_before_training(base: dict[str, Any], tmp_path: Path) -> None:
    """While it loads there is nothing to save; a job that it has not begun is left."""
    lane = Worker(threads=1)
    recipe = Recipe.model_validate({"name": "one", **base})
    lane.stop()
    assert lane.train(PlannedRun("one", recipe), tmp_path / "runs" / "one", lambda: None) != 0
    assert not steps(tmp_path / "runs" / "one")


@pytest.mark.exhaustive
def test_a_run_whose_worker_is_killed_is_resumed(study: Path, whole: Path, tmp_path: Path) -> None:
    """As when memory runs out: the study ends as if nothing had been, and says what happened."""
    found = load_study(str(study), ["training.save_every=50"])
    killed: list[int] = []
    start = Worker.train

    class Killing(Worker):
        def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None], threads: int | None = None) -> int:
            def kill() -> None:
                if self.process and run.name not in names and len(steps(folder)) > 60:
                    names.add(run.name)
                    killed.append(self.process.pid)
                    self.process.kill()
                watch()

            return start(self, run, folder, kill)

    names: set[str] = set()
    said = Console(stderr=True, record=True, force_terminal=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", ENVIRONMENT["OMP_NUM_THREADS"])  # as here: two threads add up otherwise
        patch.setattr("xlgen.experiments.worker_pool.Worker", Killing)
        patch.setattr("xlgen.experiments.worker_pool._POLL_SECONDS", 0.01)
        assert execute(found, tmp_path / "out", 1, said) == {}
    assert len(killed) == 2
    assert said.export_text().count("its worker died (SIGKILL, possibly out of memory); resuming") == 2
    for name in SEED:
        assert steps(tmp_path / "out" / "runs" / name) == steps(whole / name)
        assert weights(tmp_path / "out" / "runs" / name) == weights(whole / name)


def test_a_run_whose_workers_are_all_killed_fails(study: Path, tmp_path: Path) -> None:
    class Killing(Worker):
        def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None], threads: int | None = None) -> int:
            def kill() -> None:
                if self.process:
                    self.process.kill()

            return super().train(run, folder, kill)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xlgen.experiments.worker_pool.Worker", Killing)
        patch.setattr("xlgen.experiments.worker_pool._POLL_SECONDS", 0.01)
        failed = execute(load_study(str(study)), tmp_path / "out", 1, Console(quiet=True))
    assert set(failed) == set(SEED)
    assert all("its worker died 4 times (SIGKILL" in why for why in failed.values())


@pytest.mark.exhaustive
def test_two_trainings_in_one_folder(base: dict[str, Any], tmp_path: Path) -> None:
    """The second one is refused while the first holds the folder; whoever holds it may train there."""
    recipe = Recipe.model_validate({"name": "one", **base}).model_dump(mode="json")
    recipe["stages"][0]["training"]["steps"] = 2
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    out = tmp_path / "run"
    words = [sys.executable, "-m", "xlgen", "train", str(file), "--out", str(out)]
    with lock_run(out):
        done = subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"another process is training in {out}" in " ".join(done.stderr.split())
        train(Recipe.model_validate(recipe), out)
    assert [step for step, _ in steps(out)] == [1, 2]
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "todo.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(FolderError, match="is not an xlgen run"), lock_run(tmp_path / "notes"):
        pass
    assert [path.name for path in (tmp_path / "notes").iterdir()] == ["todo.txt"]
