"""Check the saved state of an optimizer. A damaged state would fail, or change the training, many steps later."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor
from torch.optim import Optimizer

from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError


def check_optimizer(optimizer: Optimizer, state: Mapping[int, JsonMapping], groups: object) -> None:
    """Raise InputError if a saved state does not fit an optimizer.

    Args:
        optimizer: A new optimizer.
        state: Tensors and numbers by name, by the index of the parameter.
        groups: The groups of parameters with their options.
    """
    ours = optimizer.state_dict()["param_groups"]
    if not isinstance(groups, list) or len(groups) != len(ours):
        raise InputError("the optimizer's groups of parameters differ")
    for mine, theirs in zip(ours, groups, strict=True):
        if not isinstance(theirs, dict) or theirs.get("params") != mine["params"]:
            raise InputError("the optimizer's groups have other parameters")
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
        # For a matrix, Adafactor has means over its rows and columns.
        parts = (parameter.shape, parameter.shape[:-1], (*parameter.shape[:-2], *parameter.shape[-1:]))
        if (
            value.dim()
            and value.numel() > 1
            and tuple(value.shape) not in map(tuple, parts)
            and not _rows(value, parts)
        ):
            raise InputError(f"the optimizer's {name} of shape {tuple(value.shape)} does not fit its parameter")
    elif value is not None and not (isinstance(value, int | float) and math.isfinite(value)):
        raise InputError(f"the optimizer's {name} cannot be {str(value)[:40]!r}")


def _rows(value: Tensor, parts: Iterable[Sequence[int]]) -> bool:
    """Whether a factor has the size of the rows or columns, apart from dimensions of size 1."""
    squeezed = tuple(size for size in value.shape if size != 1)
    return any(squeezed == tuple(size for size in part if size != 1) for part in parts)
