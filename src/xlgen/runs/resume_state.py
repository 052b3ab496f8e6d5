"""What a run resumes from, except tensors: its place in the data, the plateau's reduction, and what is still to do.

It is checked before it is used, because a damaged state would fail, or change the training, many steps later.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.registry import InputError
from xlgen.core.run_layout import RESUME, RESUME_STATE
from xlgen.core.untrusted import read_object
from xlgen.runs.files import FORMAT, check_format, write_atomically

_EVALUATED = "evaluated.json"
"""Exists if the evaluation of the checkpoint's step is made. It has the reduction after the evaluation."""
_DUE = "evaluation-due"
"""Exists if the checkpoint was saved before the evaluation of its step."""
_TEMPORARY = "passing"
"""Exists if the recipe does not ask for the checkpoint."""


def write_resume_state(checkpoint: Path, state: JsonMapping) -> None:
    """Write the state of a run into the folder of a checkpoint."""
    write_atomically(checkpoint / RESUME / RESUME_STATE, json.dumps({"format": FORMAT, **state}))


def mark(checkpoint: Path, *, evaluation_due: bool, temporary: bool) -> None:
    """Record what :func:`evaluation_due` and :func:`is_temporary` return."""
    for name, applies in ((_DUE, evaluation_due), (_TEMPORARY, temporary)):
        if applies:
            (checkpoint / RESUME / name).touch()


def read_resume_state(checkpoint: Path, parts: int | None = None) -> JsonObject:
    """Read the state of a run, after the evaluation of its step if that is made.

    ``parts`` is the number of parts of the run's mixture; if None, the place in the data is not checked.

    Raises:
        InputError: if a file is damaged, or the state belongs to another mixture.
    """
    file = checkpoint / RESUME / RESUME_STATE
    state = read_object(file)
    check_format(state, str(file))
    if parts is not None:
        check_stream(state.get("stream"), parts)
        check_reduction(state.get("reduction"))
    if (checkpoint / RESUME / _EVALUATED).exists():
        try:
            after = read_object(checkpoint / RESUME / _EVALUATED).get("reduction")
            check_reduction(after)
        except InputError as error:
            raise InputError(f"{_EVALUATED} is damaged: {error}") from None
        state["reduction"] = after
    return state


def is_temporary(checkpoint: Path) -> bool:
    """Whether the recipe does not ask for a checkpoint, so that it is removed when there is a newer one."""
    return (checkpoint / RESUME / _TEMPORARY).exists()


def evaluation_due(checkpoint: Path) -> bool:
    """Whether the evaluation of a checkpoint's step has yet to be made."""
    return (checkpoint / RESUME / _DUE).exists() and not (checkpoint / RESUME / _EVALUATED).exists()


def mark_evaluated(checkpoint: Path, reduction: Mapping[str, float]) -> None:
    """Record that the evaluation of a checkpoint's step is made, and the plateau's reduction after it."""
    write_atomically(checkpoint / RESUME / _EVALUATED, json.dumps({"reduction": reduction}))


def check_stream(saved: JsonValue, parts: int) -> None:
    """Raise InputError if a place in the data does not fit a mixture of ``parts`` parts."""
    valid = isinstance(saved, dict) and all(isinstance(saved.get(name), list) for name in ("taken", "streams"))
    if not valid or len(saved["taken"]) != parts or len(saved["streams"]) != parts:
        raise InputError("the place in the data is that of another mixture")
    places = [[*saved["taken"]], *saved["streams"]]
    if not all(isinstance(place, list) and all(map(_is_count, place)) for place in places):
        raise InputError("the place in the data is not a list of whole numbers")
    if not all(len(place) == 3 for place in saved["streams"]):
        raise InputError("the place in the data does not have three numbers for each part")


def check_reduction(saved: JsonValue) -> None:
    """Raise InputError if the saved state of a plateau is invalid. It is empty for a run without a plateau."""
    if not isinstance(saved, dict) or (saved and saved.keys() != {"factor", "best", "bad"}):
        raise InputError("the state of the plateau is invalid")
    if saved and not (0 < _number(saved["factor"]) <= 1 and _is_count(saved["bad"])):
        raise InputError("the state of the plateau must have a factor from 0 to 1 and a number of evaluations")
    if saved:
        _number(saved["best"])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InputError(f"the state of the plateau has {str(value)[:40]!r} in place of a number")
    return value
