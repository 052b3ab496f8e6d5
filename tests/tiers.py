"""Which cases of a test are in the first tier (`make test`); `make test-all` runs all of them.

- ``exhaustive``: the test is not in the first tier.
- ``keep("mt5-full", ...)``: of its cases only these are, by their ids between the brackets.
- ``covering(n)``: of its cases only so many are that every combination of the values of any n parameters occurs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

import pytest

Case = tuple[int, ...]


def mark(items: Iterable[pytest.Item]) -> None:
    """Mark the cases that are not in the first tier as ``exhaustive``. Raises UsageError for a case that is not."""
    cases: dict[tuple[str, str], list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and (
            item.get_closest_marker("keep") or item.get_closest_marker("covering")
        ):
            cases.setdefault((str(item.path), item.originalname), []).append(item)
    for (_, name), found in cases.items():
        kept = set(_kept(found, name))
        for item in found:
            if item not in kept:
                item.add_marker(pytest.mark.exhaustive)


def _kept(found: Sequence[pytest.Function], name: str) -> Iterator[pytest.Function]:
    chosen, strength = found[0].get_closest_marker("keep"), found[0].get_closest_marker("covering")
    if chosen is not None:
        yield from (item for item in found if item.callspec.id in chosen.args)
        ids = {item.callspec.id for item in found}
        # A single case may be asked for on the command line.
        if len(found) > 1 and (absent := set(chosen.args) - ids):
            raise pytest.UsageError(f"{name} has no case {sorted(absent)}; it has {sorted(ids)}")
    if strength is not None:
        names = sorted(found[0].callspec.indices)
        of = {tuple(item.callspec.indices[each] for each in names): item for item in found}
        yield from (of[case] for case in covering(list(of), strength.args[0]))


def covering(cases: Sequence[Case], strength: int) -> list[Case]:
    """Few of ``cases`` that have every combination that occurs of the values of any ``strength`` parameters.

    Greedy: the case with the most combinations that are still missing comes next, the first one of several.
    """
    missing = {combination for case in cases for combination in _combinations(case, strength)}
    chosen: list[Case] = []
    while missing:
        best = max(cases, key=lambda case: len(missing.intersection(_combinations(case, strength))))
        missing.difference_update(_combinations(best, strength))
        chosen.append(best)
    return chosen


def _combinations(case: Case, strength: int) -> Iterator[tuple[tuple[int, int], ...]]:
    return combinations(enumerate(case), min(strength, len(case)))
