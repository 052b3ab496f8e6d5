"""TensorBoard, Weights & Biases and MLflow through accelerate's trackers.

They receive the same events as ``metrics.jsonl``, and nothing depends on them: if a tracker fails during a run, a
warning is logged, and the run continues without it.
"""

from __future__ import annotations

import json
import math
import os
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from accelerate import Accelerator
from accelerate.tracking import GeneralTracker, MLflowTracker, TensorBoardTracker, WandBTracker

from xlgen.core.config import Recipe
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.registry import InputError
from xlgen.runs.event_log import OnEvent
from xlgen.runs.stage_files import read_tracker_ids, write_tracker_ids

PROJECT = "xlgen"
"""The project in Weights & Biases and the experiment in MLflow, unless their environment variables name others."""
_STEP_FIELDS = (
    "loss",
    "learning_rate",
    "gradient_norm",
    "source_tokens",
    "target_tokens",
    "padding",
    "steps_per_second",
)


class TrackerError(InputError):
    """A tracker does not start."""


def check_trackers(names: Iterable[str]) -> None:
    """Raise MissingExtraError if the package of a tracker is not installed."""
    for name in names:
        require(name, f"the tracker {name}")


class TrackerLogger:
    """Logs a run to the trackers of its recipe. Without trackers, and in other processes than the main one, it does
    nothing."""

    def __init__(self, accelerator: Accelerator, recipe: Recipe, folder: Path) -> None:
        self._accelerator = accelerator
        self._recipe = recipe
        self._folder = folder
        self._names = tuple(dict.fromkeys(recipe.trackers)) if accelerator.is_main_process else ()
        self._figures: dict[str, float] = {}
        self._at = 0

    def stage(self, index: int, done: int) -> OnEvent:
        """The function that logs the events of stage ``index``, which continues after the step ``done``.

        Trackers need increasing steps, so steps continue to count from stage to stage. The names of values of earlier
        stages begin with the number of the stage. Raises TrackerError if a tracker cannot start.
        """
        earlier = () if self._recipe.baseline else self._recipe.stages[:index]
        before = sum(stage.training.steps for stage in earlier)
        prefix = "" if index == len(self._recipe.stages) - 1 else f"stage-{index}/"
        if self._names and not self._accelerator.trackers:
            self._start(before + done)

        def on_event(event: str, step: int, fields: JsonMapping) -> None:
            if event == "figure":
                self._at = before + step
                self._figures |= _numbers({f"{prefix}{fields['metric']}/{fields['language']}": fields["value"]})
                return
            self._flush()
            if event == "step":
                self._log(_numbers({f"{prefix}train/{key}": fields.get(key) for key in _STEP_FIELDS}), before + step)

        return on_event

    def close(self) -> None:
        """End the trackers."""
        self._flush()
        for tracker in self._accelerator.trackers:
            with _warning_of_failure(tracker.name):
                tracker.finish()
        self._accelerator.trackers = []

    def _flush(self) -> None:
        """Log the collected values of a language in one call, because each call to a remote tracker takes time."""
        if self._figures:
            self._log(self._figures, self._at)
            self._figures = {}

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in list(self._accelerator.trackers):
            with _warning_of_failure(tracker.name, partial(self._accelerator.trackers.remove, tracker)):
                tracker.log(dict(values), step=step)

    def _start(self, done: int) -> None:
        """Start the trackers, or continue in the runs of an earlier attempt after its newest checkpoint."""
        known = read_tracker_ids(self._folder)
        self._accelerator.log_with = [_MAKE[name](self._folder, done, known) for name in self._names]
        try:
            self._accelerator.init_trackers(PROJECT)
            ids = {tracker.name: _ID[tracker.name](tracker) for tracker in self._accelerator.trackers}
            for tracker in self._accelerator.trackers:
                if tracker.name not in known:
                    tracker.store_init_configuration(flat(self._recipe))
        except Exception as error:
            for tracker in self._accelerator.trackers:
                with suppress(Exception):  # a tracker that has not started cannot finish
                    tracker.finish()
            self._accelerator.trackers = []
            raise TrackerError(
                f"trackers: {', '.join(self._names)}: cannot start: {type(error).__name__}: {error}"
            ) from error
        write_tracker_ids(self._folder, {**known, **ids})


def flat(recipe: Recipe) -> JsonObject:
    """The recipe's values by dotted key. Lists become JSON, and None is left out.

    If a recipe has only one stage, its keys have no prefix, as in the recipe's file.
    """
    whole = recipe.model_dump(mode="json", exclude={"trackers"})
    stages = whole.pop("stages")
    values = {**whole, **stages[0]} if len(stages) == 1 else {**whole, "stages": dict(enumerate(stages))}
    return dict(_leaves(values, ""))


def _leaves(value: JsonValue, key: str) -> Iterable[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{key}.{name}".lstrip("."))
    elif isinstance(value, list):
        yield key, json.dumps(value, ensure_ascii=False)
    elif value is not None:
        yield key, value


def _numbers(values: JsonMapping) -> dict[str, float]:
    return {key: value for key, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}


@contextmanager
def _warning_of_failure(name: str, leave_out: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Turn any exception of a tracker into a warning."""
    try:
        yield
    except Exception as error:  # trackers raise exceptions of any type
        warnings.warn(f"tracker {name} failed and is left out from here on: {error}", stacklevel=2)
        leave_out()


def _name(folder: Path) -> str:
    return folder.resolve().name


def _group(folder: Path) -> str:
    """The study of a run."""
    place = folder.resolve().parent
    return place.parent.name if place.name == "runs" else place.name


def _tensorboard(folder: Path, done: int, known: Mapping[str, str]) -> GeneralTracker:
    # Steps after the checkpoint are logged again; TensorBoard then shows only the newer ones.
    again = {"purge_step": done + 1} if "tensorboard" in known else {}
    return TensorBoardTracker("tensorboard", folder, **again)


def _wandb(folder: Path, done: int, known: Mapping[str, str]) -> GeneralTracker:
    options = {"dir": os.environ.get("WANDB_DIR", str(folder)), "group": _group(folder), "name": _name(folder)}
    identity = known.get("wandb", uuid.uuid4().hex[:8])
    return WandBTracker(os.environ.get("WANDB_PROJECT", PROJECT), id=identity, resume="allow", **options)


def _mlflow(folder: Path, done: int, known: Mapping[str, str]) -> GeneralTracker:
    return MLflowTracker(PROJECT, run_id=known.get("mlflow"), run_name=_name(folder), tags={"study": _group(folder)})


_MAKE: dict[str, Callable[..., GeneralTracker]] = {"tensorboard": _tensorboard, "wandb": _wandb, "mlflow": _mlflow}
_ID: dict[str, Callable[[GeneralTracker], str]] = {
    "tensorboard": lambda tracker: "tensorboard",
    "wandb": lambda tracker: str(tracker.tracker.id),
    "mlflow": lambda tracker: str(tracker.tracker.info.run_id),
}
