"""Rows of different lengths in two flat arrays, so that numpy works on a whole evaluation set at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Flags: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True)
class Ragged:
    """Row ``i`` is ``values[starts[i]:starts[i + 1]]``."""

    values: Ints
    starts: Ints
    """One more than there are rows; the last one is ``len(values)``."""

    @staticmethod
    def of(values: Ints, lengths: Ints) -> Ragged:
        """Rows of these lengths, one after another in ``values``."""
        return Ragged(values, starts_of(lengths))

    @property
    def lengths(self) -> Ints:
        """How many values each row has."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Ints:
        """The row of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    @property
    def columns(self) -> Ints:
        """The place of each value in its row."""
        return positions(self.lengths)

    def take(self, rows: Ints) -> Ragged:
        """The rows called so, in that order; a row may be called twice."""
        lengths = self.lengths[rows]
        return Ragged.of(self.values[ranges(self.starts[rows], lengths)], lengths)


def starts_of(lengths: Ints) -> Ints:
    """Where rows of these lengths start, and last where all end."""
    starts = np.zeros(len(lengths) + 1, dtype=np.int64)
    np.cumsum(lengths, out=starts[1:])
    return starts


def positions(lengths: Ints) -> Ints:
    """``0 .. length - 1`` for each length, one after another."""
    starts = starts_of(lengths)
    return np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)


def ranges(starts: Ints, lengths: Ints) -> Ints:
    """``start .. start + length - 1`` for each row, one after another."""
    offsets = starts_of(lengths)
    return np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
