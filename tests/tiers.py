"""Which cases of a test are in the first tier (`make test`); `make test-all` runs all of them.

- ``exhaustive``: the test is not in the first tier.
- ``keep("mt5-full", ...)``: of its cases only these are, by their ids between the brackets.
- ``covering(n)``: of its cases only so many are that every combination of the values of any n parameters occurs.
- ``spread(n)``: of its cases only n are, evenly spread over their order.
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
        if isinstance(item, pytest.Function) and (any(map(item.get_closest_marker, ("keep", "covering", "spread")))):
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
        # Some of the cases may have been asked for on the command line.
        named = any("::" in str(argument) for argument in found[0].config.invocation_params.args)
        if not named and (absent := set(chosen.args) - ids):
            raise pytest.UsageError(f"{name} has no case {sorted(absent)}; it has {sorted(ids)}")
    if (spread := found[0].get_closest_marker("spread")) is not None:
        count = min(spread.args[0], len(found))
        yield from (found[place * len(found) // count] for place in range(count))
    if strength is not None:
        # By the values themselves: pytest numbers the cases of a product, not the values of each parameter.
        of = {tuple(id(value) for _, value in sorted(item.callspec.params.items())): item for item in found}
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
