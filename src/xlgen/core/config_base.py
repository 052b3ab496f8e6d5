"""The base of every config: the values that no config may have."""

from __future__ import annotations

import math
from functools import cache
from types import UnionType
from typing import Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

LARGEST = 2**53
"""Limit of the absolute value of integers in a config."""
LARGEST_SEED = 2**32 - 1
"""The largest seed that every random number generator accepts."""
MOST_BEAMS = 256
MOST_TOKENS = 65_536
"""Maximum tokens of an input or an output."""


class Config(BaseModel):
    """Base of every config: frozen, and an unknown key is an error.

    Where a number is wanted, ``true`` and ``false`` are none, infinity and NaN are refused unless the field says
    ``allow_inf_nan=True``, and whole numbers are below :data:`LARGEST`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _numbers_are_numbers(cls, value: object, info: ValidationInfo) -> object:
        field = cls.model_fields[str(info.field_name)]
        if isinstance(value, bool | int | float | list | tuple | dict):
            _check(value, field.annotation)
        return value


def _check(value: object, annotation: object) -> None:
    """Raise ValueError for a boolean or a huge number if ``annotation`` is a number."""
    if isinstance(value, list | tuple):
        for inner in _arguments(annotation):
            for each in value:
                _check(each, inner)
    elif isinstance(value, dict):
        for inner in _arguments(annotation):
            for each in value.values():
                _check(each, inner)
    elif isinstance(value, bool):
        if _wants_a_number(annotation):
            raise ValueError("a number is needed, not true or false")
    elif isinstance(value, int | float) and math.isfinite(value) and abs(value) >= LARGEST and isinstance(value, int):
        raise ValueError("the number is too large")


@cache
def _members(annotation: object) -> tuple[object, ...]:
    """The types of a union, or the one type; without what Annotated adds."""
    if get_origin(annotation) in (Union, UnionType):
        return tuple(member for each in get_args(annotation) for member in _members(each))
    return (annotation,)


def _arguments(annotation: object) -> list[object]:
    """The element types of a container type."""
    return [
        inner
        for member in _members_of(annotation)
        if get_origin(member) not in (None, type)
        for inner in get_args(member)
        if inner is not Ellipsis
    ]


def _wants_a_number(annotation: object) -> bool:
    members = _members_of(annotation)
    return any(member in (int, float) for member in members) and bool not in members


def _members_of(annotation: object) -> tuple[object, ...]:
    try:
        return _members(annotation)
    except TypeError:  # an annotation that cannot be hashed
        return (annotation,)
