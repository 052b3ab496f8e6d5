"""Pairing of the rows of two files by language and id, or by position if ids are row numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xlgen.scoring.stream import Collected

Rows = NDArray[np.intp]
Hashes = NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """The paired rows of two files."""

    first: Rows
    second: Rows
    """Row indices in the two files; pair ``i`` is ``first[i]`` and ``second[i]``."""
    renumbered: tuple[str, ...]
    """Languages whose rows are numbered from 0 in one file and from 1 in the other, and were paired by position."""
    different: int
    """Number of pairs whose inputs differ, or whose references differ if no inputs are known."""


def pair_rows(first: Collected, second: Collected) -> Pairs:
    """Pair the rows of two files, collected with ``keep_ids``.

    Rows are paired by language and id. If these repeat within a file, the other fields to group by are used too; of
    rows that still repeat, only the first is paired.

    Before 0.1.0, `xlgen predict` numbered rows without an id from 1, but `xlgen evaluate` from 0. If the ids of a
    language are such consecutive numbers, rows are paired by position if more inputs and references then agree or, if
    none are known, if both files have the same number of rows.
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
    """The number of rows that repeat the language, id and group of another row."""
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
    """The offset of the row numbers in ``second``, 1 or -1; 0 if ids are not such numbers."""
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
    """The first number and the rows of a language whose ids are consecutive integers from 0 or 1, else None."""
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
    """The number of equal inputs and equal references over all pairs; None if no pair has either on both sides."""
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


def _same(ours: Hashes, theirs: Hashes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether both hashes are known, and whether they are known and equal, for each pair."""
    known = (ours != 0) & (theirs != 0)
    return known, known & (ours == theirs)
