import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.metrics.bootstrap import interval, resampled_means


def samples() -> dict[str, np.ndarray]:
    chance = np.random.default_rng(1)
    return {
        "rate": (chance.random(400) < 0.3).astype(float),
        "f1": chance.integers(0, 12, 300) / 11,
        "continuous": chance.random(900),
        "grouped": chance.random(5_000),
        "heavy tail": np.append(chance.random(3_000), [5_000.0, 90_000.0]),
    }


SAMPLES = samples()


def one_by_one(scores: np.ndarray, resamples: int) -> np.ndarray:
    """The bootstrap as it is defined."""
    chance = np.random.default_rng(9)
    return np.array([chance.choice(scores, len(scores)).mean() for _ in range(resamples)])


@pytest.mark.spread(2)
@pytest.mark.parametrize("kind", SAMPLES)
def test_resamples_are_spread_as_if_drawn_one_by_one(kind: str) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is the reference")
    found = resampled_means(SAMPLES[kind], 2_000, seed=0)
    wanted = one_by_one(SAMPLES[kind], 2_000)
    assert stats.ks_2samp(found, wanted).pvalue > 0.01
    assert found.std() == pytest.approx(SAMPLES[kind].std() / np.sqrt(len(SAMPLES[kind])), rel=0.06)


@pytest.mark.spread(1)
@pytest.mark.parametrize("kind", ["rate", "f1", "continuous", "grouped"])
def test_the_interval_is_scipys(kind: str) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is the reference")
    scores = SAMPLES[kind]
    theirs = stats.bootstrap(
        (scores,), np.mean, n_resamples=4_000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    error = scores.std() / np.sqrt(len(scores))
    assert interval(scores, 4_000, seed=0) == pytest.approx(tuple(theirs), abs=0.12 * error)


def test_the_seed_decides_the_interval() -> None:
    scores = SAMPLES["continuous"]
    assert interval(scores, 1_000, seed=0) == interval(scores, 1_000, seed=0) != interval(scores, 1_000, seed=1)
    low, high = interval(scores, 1_000, seed=0)
    assert interval(scores, 1_000, seed=0, scale=100) == pytest.approx((100 * low, 100 * high))


@pytest.mark.parametrize("kind", ["f1", "grouped"])
def test_the_blocks_do_not_show(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = interval(SAMPLES[kind], 100, seed=0)
    monkeypatch.setattr("xlgen.metrics.bootstrap._BLOCK", 7_777)
    # Sums of blocks of another shape may round differently.
    assert interval(SAMPLES[kind], 100, seed=0) == pytest.approx(whole, rel=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_laws(values: list[float]) -> None:
    scores = np.array(values)
    low, high = interval(scores, 200, seed=0)
    assert low is not None
    assert high is not None
    assert scores.min() - 1e-12 <= low <= high <= scores.max() + 1e-12
    assert interval(scores[::-1], 200, seed=0) == (low, high)


def test_nothing_to_resample() -> None:
    assert interval(np.array([]), 1_000, seed=0) == interval(np.array([0.5]), 0, seed=0) == (None, None)
    assert interval(np.array([0.25] * 3), 10, seed=0, scale=100) == (25, 25)
    assert resampled_means(np.array([]), 10, seed=0).shape == resampled_means(np.ones(3), 0, seed=0).shape == (0,)
