"""Which rows of two files are of the same example: by language and id, or by place where ids are numbers of rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlgen.scoring.stream import Collected

Rows = NDArray[np.intp]
Hashes = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """What pairs of two files."""

    first: Rows
    second: Rows
    """The rows of each pair, at the same place of both."""
    renumbered: tuple[str, ...]
    """Languages whose rows are numbered from 0 in one file and from 1 in the other, and were paired by place."""
    different: int
    """Pairs whose inputs, or references where no inputs are known, are not the same text."""


def pair_rows(first: Collected, second: Collected) -> Pairs:
    """Pair the rows of two files, whose ids were kept.

    Rows are paired by language and id and, where these repeat within a file, by the other fields that the table is by,
    too; of rows that repeat even so only the first is paired. Before 0.1.0 `xlgen predict` numbered rows without an
    id from 1, as `xlgen evaluate` did from 0: where the ids of a language are such numbers in order, and inputs and
    references, or the numbers of rows, fit only so, rows are paired by place.
    """
    shifted = {
        code: shift for code in sorted(set(second.row_languages or ())) if (shift := _shift(first, second, code))
    }
    theirs = _keys(second, shifted)
    ours = first.keys
    if _repeats(ours) or _repeats(theirs):
        ours, theirs = _with_group(ours, first), _with_group(theirs, second)
    _, left, right = np.intersect1d(ours, theirs, return_indices=True)
    return Pairs(left, right, tuple(shifted), _different(first, second, left, right))


def repeated(collected: Collected) -> int:
    """How many rows repeat the language, the id and the group of another."""
    return _repeats(_with_group(collected.keys, collected))


def _repeats(keys: Hashes) -> int:
    return len(keys) - len(np.unique(keys))


def _with_group(keys: Hashes, collected: Collected) -> Hashes:
    groups = [hash(group) for group in collected.groups]
    found = (hash((key, groups[number])) for key, number in zip(keys.tolist(), collected.group.tolist(), strict=True))
    return np.fromiter(found, dtype=np.int64, count=len(keys))


def _keys(collected: Collected, shifted: dict[str, int]) -> Hashes:
    if not shifted:
        return collected.keys
    keys = collected.keys.copy()
    for row, (code, name) in enumerate(_named(collected)):
        if code in shifted:
            keys[row] = hash((code, str(int(name) - shifted[code])))
    return keys


def _named(collected: Collected) -> Iterator[tuple[str, str]]:
    return zip(collected.row_languages or (), collected.ids or (), strict=True)


def _shift(first: Collected, second: Collected, code: str) -> int:
    """What the numbers of rows in ``second`` are higher by, 1 or -1; 0 where ids are no such numbers."""
    ours, theirs = _numbered(first, code), _numbered(second, code)
    if ours is None or theirs is None or {ours[0], theirs[0]} != {0, 1}:
        return 0
    shift = theirs[0] - ours[0]
    count = min(len(ours[1]), len(theirs[1]))
    by_place = _agreements(first, second, ours[1][:count], theirs[1][:count])
    left, right = ours[1][max(0, shift) :], theirs[1][max(0, -shift) :]
    by_id = _agreements(first, second, left[: len(right)], right[: len(left)])
    if by_place is None or by_id is None:
        return shift if len(ours[1]) == len(theirs[1]) else 0
    return shift if by_place > by_id else 0


def _numbered(collected: Collected, code: str) -> tuple[int, Rows] | None:
    """The first number and the rows of a language whose ids are whole numbers in order, each one more than the last."""
    rows, start = list[int](), 0
    for row, (language, name) in enumerate(_named(collected)):
        if language == code:
            if not rows:
                start = int(name) if name in ("0", "1") else -1
            if start < 0 or name != str(start + len(rows)):
                return None
            rows.append(row)
    return (start, np.array(rows, dtype=np.intp)) if rows else None


def _agreements(first: Collected, second: Collected, left: Rows, right: Rows) -> int | None:
    """How many pairs have the same input or references; None where no pair has either on both sides."""
    same = [_same(ours[left], theirs[right]) for ours, theirs in _texts(first, second)]
    if not any(known.any() for known, _ in same):
        return None
    return int(sum(equal.sum() for _, equal in same))


def _different(first: Collected, second: Collected, left: Rows, right: Rows) -> int:
    for ours, theirs in _texts(first, second):
        known, equal = _same(ours[left], theirs[right])
        if known.any():
            return int((known & ~equal).sum())
    return 0


def _texts(first: Collected, second: Collected) -> list[tuple[Hashes, Hashes]]:
    return [(first.inputs, second.inputs), (first.references, second.references)]


def _same(ours: Hashes, theirs: Hashes) -> tuple[NDArray[Any], NDArray[Any]]:
    """Where both are known, and where they are known and equal."""
    known = (ours != 0) & (theirs != 0)
    return known, known & (ours == theirs)
