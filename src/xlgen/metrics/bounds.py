"""Bounds for the options of metrics: ``beta: Annotated[int, Within(0, 1_000)]``."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import get_type_hints

from xlgen.core.registry import InputError


@dataclasses.dataclass(frozen=True)
class Within:
    """A range from ``least`` to ``most``, both included."""

    least: float
    most: float

    def holds(self, value: float) -> bool:
        """Whether ``value`` is in the range."""
        return self.least <= value <= self.most

    def __str__(self) -> str:
        return f"from {self.least:,g} to {self.most:,g}"


SHARE = Within(0, 1)
COUNT = Within(1, 100_000)
ORDER = Within(1, 100)
"""Range of n-gram orders."""
# Thresholds of the rule for short text, which are shares in [0, 1].
_SHARES = ("wrong_below", "wrong_below_on_top", "right_from", "least")


def check_bounds(options: object, where: str) -> None:
    """Raise InputError if an option of a metric, or of a rule that is an option, is out of bounds.

    Args:
        options: A metric; an object that is not a dataclass has no options.
        where: The name for error messages, such as ``metric chrf``.
    """
    if not dataclasses.is_dataclass(options) or isinstance(options, type):
        return
    for name, bounds in _bounds(type(options)).items():
        value = getattr(options, name)
        if value is not None and not bounds.holds(value):
            raise InputError(f"{where}: {name} must be {bounds}, not {value!r}")
    for field in dataclasses.fields(options):
        check_bounds(getattr(options, field.name), f"{where}: {field.name}")


@cache
def _bounds(kind: type) -> dict[str, Within]:
    hints = get_type_hints(kind, include_extras=True)
    found = {
        name: next((each for each in getattr(hint, "__metadata__", ()) if isinstance(each, Within)), None)
        for name, hint in hints.items()
    }
    found |= {name: SHARE for name in _SHARES if hints.get(name) is float}
    return {name: bounds for name, bounds in found.items() if bounds is not None}
