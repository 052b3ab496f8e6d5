"""Trackers receive the same values as the log, also after a kill; a run continues without a tracker that fails."""

from __future__ import annotations

import importlib.util
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.tracking import TensorBoardTracker

from raise_after import Killed, RaiseAfter
from xlgen.core.config import Recipe
from xlgen.core.extras import MissingExtraError
from xlgen.experiments.smoke import smoke_recipe
from xlgen.training.run import train
from xlgen.training.trackers import TrackerError, TrackerLogger, check_trackers, flat


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def recipe(tiny_task: Callable[..., str], tiny_mt5: Path) -> Callable[..., Recipe]:
    stage = {
        "task": tiny_task(["en", "th"]),
        "training": {"steps": 4, "warmup_steps": 0, "batch_tokens": 300, "log_every": 1},
        "evaluation": {"every": 2, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 3},
    }

    def make(*trackers: str, stages: int = 1, **changes: Any) -> Recipe:
        config = {"name": "tiny", "backbone": str(tiny_mt5), "stages": [stage] * stages, "trackers": list(trackers)}
        return Recipe.model_validate({**config, **changes})

    return make


def logged(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What trackers should show, by name: (step, value) from the log."""
    found: dict[str, list[tuple[int, float]]] = {}
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        event = json.loads(line)
        if event["event"] == "step":
            values = {f"train/{k}": v for k, v in event.items() if k not in ("event", "step", "time")}
        elif event["event"] == "figure":
            values = {f"{event['metric']}/{event['language']}": event["value"]}
        else:
            continue
        for name, value in values.items():
            if value is not None:
                found.setdefault(name, []).append((event["step"], value))
    return found


def shown(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """What TensorBoard shows of a run, as it reads it itself."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard"))
    events.Reload()
    return {name: [(e.step, e.value) for e in events.Scalars(name)] for name in events.Tags()["scalars"]}


def assert_shows_its_log(folder: Path) -> None:
    found, expected = shown(folder), logged(folder)
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name] == [(step, pytest.approx(value, rel=1e-6)) for step, value in values], name


def test_tensorboard_shows_the_log(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    train(recipe("tensorboard"), tmp_path / "run")
    assert_shows_its_log(tmp_path / "run")
    assert {"train/loss", "rougeL/th", "correct_language_rate/en"} <= shown(tmp_path / "run").keys()
    [file] = (tmp_path / "run" / "tensorboard").glob("*/hparams.yml")
    text = file.read_text()
    assert "adaptation.name: full" in text and "training.steps: 4" in text


@pytest.mark.exhaustive
def test_the_log_is_the_same_with_and_without(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    for name, trackers in (("with", ["tensorboard"]), ("without", [])):
        train(recipe(*trackers), tmp_path / name)
    found = {name: logged(tmp_path / name) for name in ("with", "without")}
    for values in found.values():
        del values["train/steps_per_second"]
    assert found["with"] == found["without"]
    assert not (tmp_path / "without" / "tensorboard").exists()
    assert not (tmp_path / "without" / "trackers.json").exists()


@pytest.mark.exhaustive
def test_a_resumed_run_continues_in_the_same_tracker(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is killed at step 3 and resumes from step 2; TensorBoard shows each step once."""
    with pytest.raises(Killed):
        train(recipe("tensorboard"), tmp_path / "run", callbacks=[RaiseAfter(3)])
    train(recipe("tensorboard"), tmp_path / "run", resume=True)
    assert [step for step, _ in shown(tmp_path / "run")["train/loss"]] == [1, 2, 3, 4]
    assert_shows_its_log(tmp_path / "run")
    assert len(list((tmp_path / "run" / "tensorboard").glob("*/hparams.yml"))) == 1


@pytest.mark.exhaustive
def test_a_tracker_may_come_with_the_resume(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Killed):
        train(recipe(), tmp_path / "run", callbacks=[RaiseAfter(3)])
    train(recipe("tensorboard"), tmp_path / "run", resume=True)
    assert [step for step, _ in shown(tmp_path / "run")["train/loss"]] == [3, 4]


@pytest.mark.exhaustive
def test_steps_count_on_over_stages(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    train(recipe("tensorboard", stages=2), tmp_path / "run")
    found = shown(tmp_path / "run")
    assert [step for step, _ in found["stage-0/train/loss"]] == [1, 2, 3, 4]
    assert [step for step, _ in found["train/loss"]] == [5, 6, 7, 8]
    assert [step for step, _ in found["stage-0/rougeL/th"]] == [2, 4]
    assert [step for step, _ in found["rougeL/th"]] == [6, 8]


def test_a_baseline(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    train(recipe("tensorboard", baseline="lead"), tmp_path / "run")
    assert_shows_its_log(tmp_path / "run")
    assert [step for step, _ in shown(tmp_path / "run")["rougeL/en"]] == [0]


def test_a_missing_package_is_reported_before_training(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"tracker wandb needs wandb, .* pip install 'xlgen\[wandb\]'"):
        train(recipe("wandb"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """wandb makes one of its name where it runs."""
    if importlib.util.find_spec("wandb"):
        pytest.skip("wandb is installed")
    (tmp_path / "wandb").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingExtraError):
        check_trackers(["wandb"])


def test_a_tracker_that_does_not_start_stops_the_run_before_training(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(self: Any) -> None:
        raise ConnectionError("no server")

    monkeypatch.setattr(TensorBoardTracker, "start", start)
    with pytest.raises(TrackerError, match="tensorboard: cannot start: ConnectionError: no server"):
        train(recipe("tensorboard"), tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_tracker_that_fails_later_is_left_out(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logged_steps = []

    def log(self: Any, values: Any, step: int | None = None, **others: Any) -> None:
        logged_steps.append(step)
        raise ConnectionError("server gone")

    monkeypatch.setattr(TensorBoardTracker, "log", log)
    with pytest.warns(UserWarning, match="tracker tensorboard failed and is left out from here on: server gone"):
        folder = train(recipe("tensorboard"), tmp_path / "run")
    assert logged_steps == [1]
    assert folder.state.status == "done" and len(logged(tmp_path / "run")["train/loss"]) == 4


def test_other_processes_tell_nothing(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    class Other(Accelerator):
        is_main_process = False  # type: ignore[assignment]

    watch = TrackerLogger(Other(cpu=True), recipe("tensorboard"), tmp_path)
    watch.stage(0, 0)("step", 1, {"loss": 1.0})
    watch.close()
    assert not list(tmp_path.iterdir())


def test_the_recipe_as_flat_values(recipe: Callable[..., Recipe]) -> None:
    found = flat(recipe("tensorboard", report_as=None))
    assert found["training.learning_rate"] == 1e-4 and found["source_languages"] == '["en"]'
    assert found["name"] == "tiny" and "report_as" not in found and "trackers" not in found
    assert flat(recipe(stages=2))["stages.1.training.steps"] == 4
    assert all(isinstance(value, str | int | float | bool) for value in found.values())


def test_a_rehearsal_tells_nobody(recipe: Callable[..., Recipe]) -> None:
    assert smoke_recipe(recipe("wandb")).trackers == ()


def test_wandb_offline(recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    for attempt in ("first", "resumed"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            train(recipe("wandb"), tmp_path / "run", resume=attempt == "resumed")
    identity = json.loads((tmp_path / "run" / "trackers.json").read_text())["wandb"]
    folders = list((tmp_path / "run" / "wandb").glob("offline-run-*"))
    assert folders and all(folder.name.endswith(identity) for folder in folders)


def test_mlflow_in_a_local_store(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    with pytest.raises(Killed):
        train(recipe("mlflow"), tmp_path / "run", callbacks=[RaiseAfter(3)])
    train(recipe("mlflow"), tmp_path / "run", resume=True)
    identity = json.loads((tmp_path / "run" / "trackers.json").read_text())["mlflow"]
    client = mlflow.MlflowClient()
    run = client.get_run(identity)
    assert run.info.status == "FINISHED" and run.data.params["training.steps"] == "4"
    # The steps logged before the kill are kept.
    assert [m.step for m in client.get_metric_history(identity, "train/loss")] == [1, 2, 3, 3, 4]
    expected = {name: values[-1][1] for name, values in logged(tmp_path / "run").items()}
    assert run.data.metrics == pytest.approx(expected)
