import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.metrics.significance import SeedSummary, over_seeds, paired_bootstrap


def pairs(advantage: float, n: int = 300, kind: str = "continuous") -> tuple[np.ndarray, np.ndarray]:
    """Scores of two systems that err on the same examples; the first is better by ``advantage``."""
    chance = np.random.default_rng(4)
    hard = chance.normal(0.5, 0.2, n)
    first, second = (np.clip(hard + chance.normal(shift, 0.15, n), 0, 1) for shift in (advantage, 0))
    return (first, second) if kind == "continuous" else ((first > 0.5).astype(float), (second > 0.5).astype(float))


@pytest.mark.spread(3)
@pytest.mark.parametrize("kind", ["continuous", "rate"])
@pytest.mark.parametrize("advantage", [0.0, 0.02, 0.05, -0.03])
def test_interval_and_p_are_scipys(kind: str, advantage: float) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is the reference")
    first, second = pairs(advantage, kind=kind)
    found = paired_bootstrap(first, second, resamples=4_000)
    assert found is not None

    def difference(left: np.ndarray, right: np.ndarray, axis: int = -1) -> np.ndarray:
        return np.mean(left, axis=axis) - np.mean(right, axis=axis)

    theirs = stats.bootstrap(
        (first, second), difference, paired=True, n_resamples=4_000, method="percentile", rng=np.random.default_rng(7)
    ).confidence_interval
    error = (first - second).std() / np.sqrt(len(first))
    assert (found.low, found.high) == pytest.approx(tuple(theirs), abs=0.12 * error)
    permuted = stats.permutation_test(
        (first, second), difference, permutation_type="samples", n_resamples=4_000, rng=np.random.default_rng(7)
    )
    assert found.p == pytest.approx(permuted.pvalue, abs=0.05)
    assert found.difference == pytest.approx(first.mean() - second.mean())


def test_under_the_null_p_is_uniform() -> None:
    """Of 400 pairs of equal systems, about one in twenty is below 0.05."""
    chance = np.random.default_rng(0)
    p = [paired_bootstrap(*chance.random((2, 100)), resamples=200, seed=n) for n in range(400)]
    below = np.mean([found is not None and found.p is not None and found.p < 0.05 for found in p])
    assert 0.02 <= below <= 0.09


def test_what_is_not_defined_in_both_is_left_out() -> None:
    nan = float("nan")
    found = paired_bootstrap(np.array([1.0, 0.5, nan, 1.0]), np.array([0.0, nan, 1.0, 1.0]))
    assert found is not None
    assert (found.n, found.first, found.second, found.difference) == (2, 1, 0.5, 0.5)
    assert paired_bootstrap(np.array([nan]), np.array([1.0])) is None
    with pytest.raises(ValueError, match="systems must have the same number of scores, not 2 and 1"):
        paired_bootstrap(np.zeros(2), np.zeros(1))


def test_extremes() -> None:
    same = paired_bootstrap(np.ones(10), np.ones(10))
    better = paired_bootstrap(np.ones(10), np.zeros(10), resamples=999)
    without = paired_bootstrap(np.ones(10), np.zeros(10), resamples=0)
    assert same is not None
    assert better is not None
    assert without is not None
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)
    assert (better.low, better.high, better.p) == (1, 1, pytest.approx(2 / 1000))
    assert (without.difference, without.low, without.p) == (1, None, None)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=25))
@settings(max_examples=50, deadline=None)
def test_swapping_the_systems_turns_the_sign(scores: list[tuple[float, float]]) -> None:
    first, second = np.array(scores).T
    there, back = paired_bootstrap(first, second, 200), paired_bootstrap(second, first, 200)
    assert there is not None
    assert back is not None
    assert there.difference == -back.difference
    assert there.p is not None
    assert 0 < there.p <= 1
    if there.low is not None and there.high is not None and not there.low <= 0 <= there.high:
        assert there.p < 0.06


def row(seed: int, value: float | None, metric: str = "rougeL", language: str = "fr") -> dict[str, object]:
    return {"backbone": "mt5", "seed": seed, "metric": metric, "language": language, "value": value, "low": 1.0}


def test_seeds_are_averaged_figure_by_figure() -> None:
    rows = [row(0, 10.0), row(1, 14.0), row(2, 12.0), row(0, 5.0, "squad_f1"), row(0, None, language="th")]
    found = over_seeds(rows)
    key = ("mt5", None, None, None, None)
    assert found[*key, "fr", "rougeL"] == SeedSummary(12, 2, 3)
    assert found[*key, "fr", "squad_f1"] == SeedSummary(5, None, 1)
    assert found[*key, "th", "rougeL"] == SeedSummary(None, None, 0)
    assert len(found) == 3


def test_a_seed_that_comes_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="seed 1 has the value"):
        over_seeds([row(1, 1.0), row(1, 2.0)])


def test_a_figure_of_the_whole_is_compared_as_such() -> None:
    """The harmonic mean of two shares is not the mean of anything; with a mean both ways agree."""
    random = np.random.default_rng(0)
    first, second = random.random(60), random.random(60) * 0.8
    plain = paired_bootstrap(first, second, 400)
    whole = paired_bootstrap(first, second, 400, corpus=lambda scores: float(scores.mean()))
    assert plain and whole and plain.low and whole.low and plain.high and whole.high
    assert whole.difference == pytest.approx(plain.difference)
    assert (whole.low, whole.high) == pytest.approx((plain.low, plain.high), abs=0.02)
    best = paired_bootstrap(first, second, 50, corpus=lambda scores: float(scores.max()))
    assert best is not None
    assert best.first == first.max() and best.second == second.max()
