"""Search policies: the paper's own results, laws for any scores, and what is refused."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.overrides import RecipeError
from xlgen.registry import UnknownNameError
from xlgen.selection.policies import best, build_policy


def walk(scores: dict[float, float], method: str = "full", **options: object) -> tuple[list[float], dict[float, float]]:
    """The waves of a search, flat, and what was tried; rates without a score fail."""
    policy, tried, order = build_policy({"name": "chirkova", **options}), {}, []
    while wave := policy.proposals(tried, method):
        assert len(set(wave)) == len(wave) and not set(wave) & set(tried)
        order += wave
        tried |= {rate: scores.get(rate, -math.inf) for rate in wave}
    return order, tried


@pytest.mark.parametrize(
    ("method", "peak", "wanted"),
    [
        # Chirkova and Nikoulina (2024), Table 2: where the best rates were, and so what had to be tried.
        ("full", 1e-4, [1e-3, 1e-4, 1e-5, 3e-4]),
        ("full", 3e-5, [1e-3, 1e-4, 1e-5, 1e-6, 3e-5]),
        ("full", 1e-6, [1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 3e-6]),
        ("full", 1e-3, [1e-3, 1e-4, 1e-5, 1e-2, 3e-3]),
        ("adapters", 1e-4, [1e-3, 1e-4, 1e-5]),
        ("adapters", 1e-3, [1e-3, 1e-4, 1e-5, 1e-2]),
        ("adapters", 1e-2, [1e-3, 1e-4, 1e-5, 1e-2, 1e-1]),
    ],
)
def test_the_papers_search(method: str, peak: float, wanted: list[float]) -> None:
    rates = [float(f"{times}e-{k}") for k in range(8) for times in (1, 3)]
    scores = {rate: -abs(math.log10(rate / peak)) for rate in rates}
    scores[1e-4] -= 0.5 * (peak == 3e-5)  # further off to this side, so that 1e-5 is the best power
    order, tried = walk(scores, method)
    assert order == wanted
    assert best(tried) == peak


@given(st.lists(st.floats(0, 100), min_size=7, max_size=7, unique=True), st.booleans())
def test_it_ends_within_its_limits_at_a_local_best(values: list[float], full: bool) -> None:
    scores = {float(f"1e-{k}"): value for k, value in zip(range(1, 8), values, strict=True)}
    order, tried = walk(scores, "full" if full else "lora")
    powers = [rate for rate in order if rate in scores]
    assert min(powers) >= 1e-7 and max(powers) <= 1e-1
    found = max(powers, key=lambda rate: scores[rate])
    exponents = sorted(scores)
    place = exponents.index(found)
    for neighbour in exponents[max(0, place - 1) : place + 2]:
        assert scores[neighbour] <= scores[found]
    assert len(order) == len(powers) + full
    assert build_policy("chirkova").proposals(tried, "full" if full else "lora") == []


def test_where_everything_fails_it_goes_down_to_the_lowest() -> None:
    order, _ = walk({}, "adapters")
    assert order == [1e-3, 1e-4, 1e-5, 1e-6, 1e-7]


def test_options() -> None:
    order, _ = walk({0.1: 2, 1.0: 1, 0.01: 1}, "prompt", start=[1, 2], largest=0)
    assert order == [0.1, 0.01, 1.0]
    order, _ = walk({1e-3: 3, 1e-4: 2, 1e-5: 1}, "adapters", largest=3, triple=["adapters"])
    assert order == [1e-3, 1e-4, 1e-5, 3e-3]


def test_grid_and_follow() -> None:
    grid = build_policy({"name": "grid", "values": [0.3, 0.1, 0.3]})
    assert grid.proposals({}, "full") == [0.3, 0.1]
    assert grid.proposals({0.3: 1.0, 0.1: 2.0}, "full") == []
    follow = build_policy({"name": "follow", "rate": 3e-4})
    assert follow.proposals({}, "full") == [3e-4, 3e-3]
    assert follow.proposals({3e-4: 1.0, 3e-3: 0.0}, "full") == []
    assert build_policy("follow").proposals({}, "full") == []


def test_the_lowest_of_equals_is_best() -> None:
    assert best({1e-3: 5.0, 1e-4: 5.0, 1e-5: 4.0}) == 1e-4


def test_what_is_wrong_is_said() -> None:
    with pytest.raises(UnknownNameError, match="chirkova"):
        build_policy("chirkov")
    with pytest.raises(RecipeError, match="values"):
        build_policy("grid")
    with pytest.raises(RecipeError, match="starts"):
        build_policy({"name": "chirkova", "starts": [1]})
