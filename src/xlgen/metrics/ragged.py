"""Rows of different lengths in two flat arrays, so that numpy works on a whole evaluation set at once."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
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
    """Start of each row, and ``len(values)`` last."""

    @staticmethod
    def of(values: Ints, lengths: Ints) -> Ragged:
        """Rows of these lengths, one after another in ``values``."""
        return Ragged(values, starts_of(lengths))

    @property
    def lengths(self) -> Ints:
        """The number of values in each row."""
        return np.diff(self.starts)

    @property
    def rows(self) -> Ints:
        """The row of each value."""
        return np.repeat(np.arange(len(self.starts) - 1), self.lengths)

    @property
    def columns(self) -> Ints:
        """The position of each value in its row."""
        return positions(self.lengths)

    def take(self, rows: Ints) -> Ragged:
        """The rows with these indices, in this order; an index may be repeated."""
        lengths = self.lengths[rows]
        return Ragged.of(self.values[ranges(self.starts[rows], lengths)], lengths)


def starts_of(lengths: Ints) -> Ints:
    """The start of each row of these lengths, and last the end of all."""
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


def ranked(keys: Ints) -> tuple[Ints, Ints]:
    """Each key's rank among the distinct keys, and the distinct keys in order."""
    bits = len(keys).bit_length()
    if int(keys.max(initial=0)).bit_length() + bits < 63:
        # The position is in the low bits: sorting numbers is several times faster than argsort.
        packed = (keys << bits) | np.arange(len(keys))
        packed.sort()
        order, ordered = packed & ((1 << bits) - 1), packed >> bits
    else:
        order = np.argsort(keys)
        ordered = keys[order]
    first = firsts(ordered)
    ranks = np.empty(len(keys), dtype=np.int64)
    ranks[order] = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(keys))))
    return ranks, ordered[first]


def firsts(ordered: Ints) -> Ints:
    """The position of the first occurrence of each distinct value in a sorted array."""
    new = np.ones(len(ordered), dtype=bool)
    new[1:] = ordered[1:] != ordered[:-1]
    return np.flatnonzero(new)


def numbered(texts: Iterable[str], split: Callable[[str], list[str]]) -> Ragged:
    """The tokens of each text as numbers, equal for equal tokens."""
    number = _Numbers().__getitem__
    values = array("q")
    ends = array("q")
    for text in texts:
        # Text by text, so that tokens are freed from memory and the processor's cache once they are looked up.
        values.extend(map(number, split(text)))
        ends.append(len(values))
    return Ragged(np.frombuffer(values, dtype=np.int64), np.append(0, np.frombuffer(ends, dtype=np.int64)))


class _Numbers(dict[str, int]):
    """A number for each token, assigned when it is first seen."""

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number
