"""What a run resumes from, checked before anything uses it: a damaged state would fail, or train on, steps later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor
from torch.optim import Optimizer

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.registry import InputError


def check_optimizer(optimizer: Optimizer, state: Mapping[int, JsonMapping], groups: object) -> None:
    """Raise InputError where a saved state is not one of ``optimizer``.

    Args:
        optimizer: As it is made anew.
        state: By the number of a parameter, tensors and numbers by name.
        groups: The parameters' groups with their options.
    """
    ours = optimizer.state_dict()["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(ours):
        raise InputError("the optimizer's groups of parameters are others")
    for mine, theirs in zip(ours, groups, strict=True):
        if not isinstance(theirs, dict) or theirs.get("params") != mine["params"]:
            raise InputError("the optimizer's groups hold other parameters")
        for name in mine.keys() & theirs.keys() - {"params"}:
            if not _alike(mine[name], theirs[name]):
                raise InputError(f"the optimizer's {name} cannot be {str(theirs[name])[:40]!r}")
        if missing := mine.keys() - theirs.keys():
            raise InputError(f"the optimizer's {min(missing)} is missing")
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in state.items():
        if not 0 <= index < len(parameters):
            raise InputError(f"the optimizer has no parameter {index}")
        for name, value in values.items():
            _check_value(name, value, parameters[index])


def _alike(mine: object, theirs: object) -> bool:
    if mine is None:
        return theirs is None or isinstance(theirs, bool)
    if isinstance(mine, bool | str):
        return type(mine) is type(theirs)
    if isinstance(mine, int | float):
        return isinstance(theirs, int | float) and not isinstance(theirs, bool) and math.isfinite(theirs)
    if isinstance(mine, list | tuple):
        return isinstance(theirs, list | tuple) and len(mine) == len(theirs) and all(map(_alike, mine, theirs))
    return type(mine) is type(theirs)


def _check_value(name: str, value: object, parameter: Tensor) -> None:
    if isinstance(value, Tensor):
        if not value.isfinite().all():
            raise InputError(f"the optimizer's {name} is not finite (NaN or infinite)")
        # Of a matrix, Adafactor keeps means of its rows and columns.
        parts = (parameter.shape, parameter.shape[:-1], (*parameter.shape[:-2], *parameter.shape[-1:]))
        if (
            value.dim()
            and value.numel() > 1
            and tuple(value.shape) not in map(tuple, parts)
            and not _rows(value, parts)
        ):
            raise InputError(f"the optimizer's {name} of shape {tuple(value.shape)} fits no parameter")
    elif value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
        raise InputError(f"the optimizer's {name} cannot be {str(value)[:40]!r}")


def _rows(value: Tensor, parts: Iterable[Sequence[int]]) -> bool:
    """Whether a factor has the size of rows or columns, whichever dimensions of one element it has besides."""
    squeezed = tuple(size for size in value.shape if size != 1)
    return any(squeezed == tuple(size for size in part if size != 1) for part in parts)


def check_stream(saved: JsonValue, parts: int) -> None:
    """Raise InputError where the saved place in the data is not of a stream of ``parts`` parts."""
    whole = isinstance(saved, dict) and all(isinstance(saved.get(name), list) for name in ("taken", "streams"))
    if not whole or len(saved["taken"]) != parts or len(saved["streams"]) != parts:
        raise InputError("the place in the data is that of another mixture")
    places = [[*saved["taken"]], *saved["streams"]]
    if not all(isinstance(place, list) and all(map(_is_count, place)) for place in places):
        raise InputError("the place in the data is no list of whole numbers")
    if not all(len(place) == 3 for place in saved["streams"]):
        raise InputError("the place in the data has not three numbers for each part")


def check_reduction(saved: JsonValue) -> None:
    """Raise InputError where the saved state of a plateau is none."""
    if not isinstance(saved, dict) or (saved and saved.keys() != {"factor", "best", "bad"}):
        raise InputError("the state of the plateau is none")
    if saved and not (0 < _number(saved["factor"]) <= 1 and _is_count(saved["bad"])):
        raise InputError("the state of the plateau is no factor from 0 to 1 and a number of evaluations")
    if saved:
        _number(saved["best"])


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise InputError(f"the state of the plateau has {str(value)[:40]!r} where a number is needed")
    return value
