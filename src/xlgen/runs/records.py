"""Read and validate the files of a run folder: the events of its log, its predictions, its progress.

No other module reads these files. Damaged rows are left out and counted; a path that is not a regular file is an
InputError.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xlgen.core.registry import InputError
from xlgen.runs.files import json_lines, parse_line
from xlgen.core.untrusted import check_name, read_object

Record = dict[str, Any]

LARGEST = 2**53
"""Exclusive upper limit of the numbers of steps, examples and tokens."""
_LONGEST = 2_000
_NEAR_THE_END = 2**17
_STATUSES = ("running", "evaluating", "paused", "interrupted", "diverged", "done")


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


def is_event(row: Mapping[str, Any]) -> bool:
    """Whether a row of a log has the fields of its kind of event, with the right types."""
    kind = row.get("event")
    if not _text(kind) or not _count(row.get("step")):
        return False
    return all(check(row.get(name)) for name, check in _FIELDS.get(kind, {}).items())


def read_predictions(path: Path) -> list[Record]:
    """The rows of a file of predictions without damaged ones; empty if there is no file.

    A row has ``prediction``, and may have ``id``, ``input``, ``raw``, ``references``, ``group``, ``language`` and
    numbers (``cropped_tokens``, ``similarity``). Raises InputError if ``path`` is not a regular file.
    """
    return [_prediction(row) for row in json_lines(path) if isinstance(row, dict) and is_prediction(row)]


def _prediction(row: Record) -> Record:
    """The row with ``input``, ``raw`` and ``references`` filled in; ``raw`` defaults to the prediction."""
    shown = row.get("input")
    return {
        **row,
        "input": " ".join(shown) if isinstance(shown, list) else shown,
        "raw": row["prediction"] if row.get("raw") is None else row["raw"],
        "references": row.get("references") or [],
    }


def is_prediction(row: Mapping[str, Any]) -> bool:
    """Whether a row of a file of predictions has fields of the right types."""
    return all(check(row.get(name)) for name, check in _PREDICTION.items())


def read_state(folder: Path) -> State:
    """Read a run's ``state.json``; fields that are missing or invalid are None."""
    try:
        found = read_object(folder / "state.json", 2**20)
    except InputError:
        return State()
    stage, step, status = found.get("stage"), found.get("step"), found.get("status")
    return State(
        stage if _count(stage) else None, step if _count(step) else None, status if status in _STATUSES else None
    )


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < LARGEST


def _number(value: Any) -> bool:
    """Whether ``value`` is a number. NaN and infinity count; callers handle them."""
    whole = isinstance(value, int) and abs(value) < LARGEST
    return (whole or isinstance(value, float)) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST


def _name(value: Any) -> bool:
    """Whether ``value`` is a language, which must be valid as a file name."""
    if not isinstance(value, str):
        return False
    try:
        check_name(value, "the language")
    except InputError:
        return False
    return True


def _string(value: Any) -> bool:
    return isinstance(value, str)


def _strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(_optional(_number)(each) for each in value.values())


def _label(value: Any) -> bool:
    return isinstance(value, str) or _count(value)


def _optional(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or check(value)


def _all(check: Callable[[Any], bool], names: Iterable[str]) -> dict[str, Callable[[Any], bool]]:
    return dict.fromkeys(names, _optional(check))


_FIELDS: dict[Any, dict[str, Callable[[Any], bool]]] = {
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
_PREDICTION: dict[str, Callable[[Any], bool]] = {
    "prediction": _string,
    **_all(_string, ("raw", "language")),
    **_all(_label, ("id", "group")),
    **_all(_strings, ("references",)),
    **_all(_number, ("cropped_tokens", "similarity")),
    # The words, for tagging tasks.
    "input": lambda value: value is None or isinstance(value, str) or _strings(value),
}
