"""Read and validate the files of a run folder: the events of its log, its predictions, its progress.

No other module reads these files. Damaged rows are left out and counted; a path that is not a regular file is an
InputError.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypeAlias, TypedDict, TypeGuard

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.untrusted import check_name, read_object
from xlgen.runs.files import json_lines, parse_line
from xlgen.runs.paths import RunPaths

if TYPE_CHECKING:
    from xlgen.scoring.predictions import PredictionRow

Record: TypeAlias = JsonObject
"""A line of a log."""

_Check: TypeAlias = Callable[[object], bool]
"""Whether a field of a record has the right type."""

LARGEST = 2**53
"""Exclusive upper limit of the numbers of steps, examples and tokens."""
_LONGEST = 2_000
_NEAR_THE_END = 2**17
_STATUSES = ("running", "evaluating", "paused", "interrupted", "diverged", "done")


class FigureEvent(TypedDict):
    """The value of a metric in one language at one step, as logged by an evaluation."""

    event: Literal["figure"]
    step: int
    language: str
    metric: str
    value: NotRequired[float | None]
    low: NotRequired[float | None]
    """The lower end of the 95 % interval."""
    high: NotRequired[float | None]
    n: NotRequired[int | None]
    """The number of examples."""
    signature: NotRequired[str | None]


class StepEvent(TypedDict):
    """What is logged of a training step."""

    event: Literal["step"]
    step: int
    loss: NotRequired[float | None]
    learning_rate: NotRequired[float | None]
    gradient_norm: NotRequired[float | None]
    padding: NotRequired[float | None]
    """Share of padding in the batches, in [0, 1]."""
    steps_per_second: NotRequired[float | None]
    source_tokens: NotRequired[int | None]
    target_tokens: NotRequired[int | None]
    time: NotRequired[float | None]
    """Seconds since 1970."""


class EvaluatedEvent(TypedDict):
    """What is logged of an evaluation in one language besides its values."""

    event: Literal["evaluated"]
    step: int
    language: str
    examples: NotRequired[int | None]
    cropped_sources: NotRequired[int | None]
    empty_inputs: NotRequired[int | None]


class StartEvent(TypedDict, total=False):
    """The first event of a log; empty if a log has none."""

    event: Literal["start"]
    step: int
    parameters: int | None
    trainable: int | None
    processes: int | None
    data: dict[str, float | None] | None
    """Statistics of the training data."""


def is_figure(event: JsonMapping) -> TypeGuard[FigureEvent]:
    """Whether an event of a log is a metric value."""
    return bool(event["event"] == "figure")


def is_step(event: JsonMapping) -> TypeGuard[StepEvent]:
    """Whether an event of a log is a training step."""
    return bool(event["event"] == "step")


def is_evaluated(event: JsonMapping) -> TypeGuard[EvaluatedEvent]:
    """Whether an event of a log is an evaluation."""
    return bool(event["event"] == "evaluated")


def is_start(event: JsonMapping) -> TypeGuard[StartEvent]:
    """Whether an event of a log is the first one."""
    return bool(event["event"] == "start")


@dataclass(frozen=True)
class Log:
    """The events of a run's ``metrics.jsonl``, in file order."""

    events: tuple[Record, ...] = field(repr=False)
    damaged: int
    """The number of lines left out because they are not events. A bad last line does not count, as after a kill."""


@dataclass(frozen=True)
class State:
    """The progress of a run."""

    stage: int | None = None
    step: int | None = None
    status: str | None = None
    """running, evaluating, paused, interrupted, diverged or done; None if not recorded."""


def read_log(path: Path) -> Log:
    """The events of a log; empty if there is no file. Raises InputError if ``path`` is not a regular file."""
    events: list[Record] = []
    damaged, last_is_bad = 0, False
    for row in json_lines(path):
        last_is_bad = isinstance(row, InputError)
        if isinstance(row, InputError) or not is_event(row):
            damaged += 1
        else:
            events.append(row)
    return Log(tuple(events), damaged - last_is_bad)


def last_event(path: Path) -> Record | None:
    """The newest complete event of a log that may still be growing. Reads only the end of the file; None if there is
    no event in it."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _NEAR_THE_END))
            lines = file.read().split(b"\n")[:-1]
    except OSError:
        return None
    for line in reversed(lines):
        found = parse_line(line, str(path))
        if isinstance(found, dict) and is_event(found):
            return found
    return None


def is_event(row: JsonMapping) -> bool:
    """Whether a row of a log has the fields of its kind of event, with the right types."""
    kind = row.get("event")
    if not _text(kind) or not _count(row.get("step")):
        return False
    return all(check(row.get(name)) for name, check in _FIELDS.get(str(kind), {}).items())


def read_predictions(path: Path) -> list[PredictionRow]:
    """The rows of a file of predictions without damaged ones; empty if there is no file.

    A row has ``prediction``, and may have ``id``, ``input``, ``raw``, ``references``, ``group``, ``language`` and
    numbers (``cropped_tokens``, ``similarity``). Raises InputError if ``path`` is not a regular file.
    """
    return [_prediction(row) for row in json_lines(path) if isinstance(row, dict) and is_prediction(row)]


def _prediction(row: PredictionRow) -> PredictionRow:
    """The row with ``input``, ``raw`` and ``references`` filled in; ``raw`` defaults to the prediction."""
    shown: str | list[str] | None = row.get("input")  # a list in the file
    return {
        **row,
        "input": " ".join(shown) if isinstance(shown, list) else shown,
        "raw": row["prediction"] if row.get("raw") is None else row["raw"],
        "references": row.get("references") or [],
    }


def is_prediction(row: JsonMapping) -> TypeGuard[PredictionRow]:
    """Whether a row of a file of predictions has fields of the right types."""
    return all(check(row.get(name)) for name, check in _PREDICTION.items())


def read_state(folder: Path) -> State:
    """Read a run's ``state.json``; fields that are missing or invalid are None."""
    try:
        found = read_object(RunPaths(folder).state_file, 2**20)
    except InputError:
        return State()
    stage, step, status = found.get("stage"), found.get("step"), found.get("status")
    return State(
        stage if _count(stage) else None, step if _count(step) else None, status if status in _STATUSES else None
    )


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _number(value: object) -> bool:
    """Whether ``value`` is a number. NaN and infinity count; callers handle them."""
    whole = isinstance(value, int) and abs(value) < LARGEST
    return (whole or isinstance(value, float)) and not isinstance(value, bool)


def _text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST


def _name(value: object) -> bool:
    """Whether ``value`` is a language, which must be valid as a file name."""
    if not isinstance(value, str):
        return False
    try:
        check_name(value, "the language")
    except InputError:
        return False
    return True


def _string(value: object) -> bool:
    return isinstance(value, str)


def _strings(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _numbers(value: object) -> bool:
    return isinstance(value, dict) and all(_optional(_number)(each) for each in value.values())


def _label(value: object) -> bool:
    return isinstance(value, str) or _count(value)


def _optional(check: _Check) -> _Check:
    return lambda value: value is None or check(value)


def _all(check: _Check, names: Iterable[str]) -> dict[str, _Check]:
    return dict.fromkeys(names, _optional(check))


_FIELDS: dict[str, dict[str, _Check]] = {
    "start": {**_all(_count, ("parameters", "trainable", "processes")), **_all(_numbers, ("data",))},
    "step": {
        **_all(_number, ("loss", "learning_rate", "gradient_norm", "padding", "steps_per_second", "time")),
        **_all(_count, ("source_tokens", "target_tokens")),
    },
    "evaluated": {"language": _name, **_all(_count, ("examples", "cropped_sources", "empty_inputs"))},
    "figure": {
        **{"language": _name, "metric": _text},
        **_all(_number, ("value", "low", "high")),
        **_all(_count, ("n",)),
        **_all(_string, ("signature",)),
    },
}
_PREDICTION: dict[str, _Check] = {
    "prediction": _string,
    **_all(_string, ("raw", "language")),
    **_all(_label, ("id", "group")),
    **_all(_strings, ("references",)),
    **_all(_number, ("cropped_tokens", "similarity")),
    # The words, for tagging tasks.
    "input": lambda value: value is None or isinstance(value, str) or _strings(value),
}
