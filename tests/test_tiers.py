"""The choice of the first tier's cases."""

from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiers import covering


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4), st.integers(1, 3))
def test_every_combination_is_there(sizes: list[int], strength: int) -> None:
    cases = list(product(*(range(size) for size in sizes)))
    chosen = covering(cases, strength)
    assert len(chosen) == len(set(chosen)) and set(chosen) <= set(cases)
    for places in combinations(range(len(sizes)), min(strength, len(sizes))):
        assert {tuple(case[i] for i in places) for case in chosen} == set(product(*(range(sizes[i]) for i in places)))


@pytest.mark.parametrize(("strength", "most"), [(1, 8), (2, 36), (3, 96)])
def test_there_are_few(strength: int, most: int) -> None:
    """Four families, eight methods, three numbers of beams: 96 cases, of which pairs need 32 at least."""
    chosen = covering(list(product(range(4), range(8), range(3))), strength)
    assert len(chosen) <= most


def test_what_does_not_occur_is_not_asked_for() -> None:
    assert covering([(0, 0), (1, 1)], 2) == [(0, 0), (1, 1)]
    assert covering([], 2) == []
