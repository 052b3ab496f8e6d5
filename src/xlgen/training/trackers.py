"""TensorBoard, Weights & Biases and MLflow through accelerate's trackers.

They are told what ``metrics.jsonl`` is told, and nothing depends on them: one that fails on the way is warned of and
left out, and the run goes on.
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
"""The project of Weights & Biases and the experiment of MLflow, where their own variables name none."""
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
    """Tells the trackers of a recipe about its run. Without trackers, and beside the main process, it does nothing."""

    def __init__(self, accelerator: Accelerator, recipe: Recipe, folder: Path) -> None:
        self._accelerator = accelerator
        self._recipe = recipe
        self._folder = folder
        self._names = tuple(dict.fromkeys(recipe.trackers)) if accelerator.is_main_process else ()
        self._figures: dict[str, float] = {}
        self._at = 0

    def stage(self, index: int, done: int) -> OnEvent:
        """What to tell the events of stage ``index``, which goes on behind step ``done``.

        Steps count on from stage to stage, for trackers want them to grow; what is not of the last stage has its
        number before its name. Raises TrackerError where a tracker does not start.
        """
        earlier = () if self._recipe.baseline else self._recipe.stages[:index]
        before = sum(stage.training.steps for stage in earlier)
        prefix = "" if index == len(self._recipe.stages) - 1 else f"stage-{index}/"
        if self._names and not self._accelerator.trackers:
            self._start(before + done)

        def tell(event: str, step: int, fields: JsonMapping) -> None:
            if event == "figure":
                self._at = before + step
                self._figures |= _numbers({f"{prefix}{fields['metric']}/{fields['language']}": fields["value"]})
                return
            self._flush()
            if event == "step":
                self._log(_numbers({f"{prefix}train/{key}": fields.get(key) for key in _STEP_FIELDS}), before + step)

        return tell

    def close(self) -> None:
        """End the trackers."""
        self._flush()
        for tracker in self._accelerator.trackers:
            with _going_on(tracker.name):
                tracker.finish()
        self._accelerator.trackers = []

    def _flush(self) -> None:
        """Figures are told together, a language at a time: a tracker elsewhere takes its time for each call."""
        if self._figures:
            self._log(self._figures, self._at)
            self._figures = {}

    def _log(self, values: Mapping[str, float], step: int) -> None:
        for tracker in list(self._accelerator.trackers):
            with _going_on(tracker.name, partial(self._accelerator.trackers.remove, tracker)):
                tracker.log(dict(values), step=step)

    def _start(self, done: int) -> None:
        """Start the trackers where an earlier attempt has left them, at its newest checkpoint."""
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
                with suppress(Exception):  # one that has not begun cannot end
                    tracker.finish()
            self._accelerator.trackers = []
            raise TrackerError(
                f"trackers: {', '.join(self._names)}: cannot start: {type(error).__name__}: {error}"
            ) from error
        write_tracker_ids(self._folder, {**known, **ids})


def flat(recipe: Recipe) -> JsonObject:
    """The recipe's values by dotted key; lists are JSON, and what is None is left out.

    The stage of a recipe with one stage has no name, as in its file.
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
def _going_on(name: str, leave_out: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Warn of a tracker's failure, which is no reason to stop a run."""
    try:
        yield
    except Exception as error:  # whatever goes wrong in somebody else's library or machine
        warnings.warn(f"tracker {name} failed and is left out from here on: {error}", stacklevel=2)
        leave_out()


def _name(folder: Path) -> str:
    return folder.resolve().name


def _group(folder: Path) -> str:
    """The study of a run."""
    place = folder.resolve().parent
    return place.parent.name if place.name == "runs" else place.name


def _tensorboard(folder: Path, done: int, known: Mapping[str, str]) -> GeneralTracker:
    # Steps behind the checkpoint will come again; TensorBoard shows the newer ones.
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
