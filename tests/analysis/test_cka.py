"""CKA against direct implementations, and the laws that its authors state."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from xlgen.analysis.cka import cka, hsic, minibatch_cka
from xlgen.core.registry import InputError

Array = NDArray[np.float64]


def related(n: int, *widths: int, seed: int = 0) -> list[Array]:
    """Sets that share a part."""
    generator = np.random.default_rng(seed)
    shared = generator.normal(size=(n, 5))
    return [
        shared @ generator.normal(size=(5, width)) + 0.7 * generator.normal(size=(n, width)) + 3 for width in widths
    ]


def formula(x: Array, y: Array) -> float:
    """J, section 3.2, as printed, of centred data."""
    x, y = x - x.mean(0), y - y.mean(0)
    return float(np.linalg.norm(y.T @ x) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)))


def song(x: Array, y: Array) -> float:
    """Equation 5 of Song et al. (2012), term by term, with whole Gram matrices."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(m, 0)
    one = np.ones(n)
    total = np.trace(k @ m) + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return float((total - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3)))


def song_by_sums(x: Array, y: Array) -> float:
    """The definition behind it: the mean over all choices of four things that differ."""
    k, m = x @ x.T, y @ y.T
    found = [k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q]) for i, j, q, r in itertools.permutations(range(len(x)), 4)]
    return float(np.mean(found))


@pytest.mark.parametrize("tile", [3, 7, 512])
@pytest.mark.parametrize("n", [4, 5, 40])
def test_it_is_the_direct_one(n: int, tile: int) -> None:
    sets = related(n, 6, 17, 50)
    found, biased, unbiased = cka(sets, "biased"), hsic(sets, "biased", tile), hsic(sets, "unbiased", tile)
    for i, j in itertools.product(range(3), repeat=2):
        x, y = (sets[place] - sets[place].mean(0) for place in (i, j))
        assert found[i, j] == pytest.approx(formula(sets[i], sets[j]), rel=1e-9)
        assert biased[i, j] == pytest.approx(np.linalg.norm(y.T @ x) ** 2 / (n - 1) ** 2, rel=1e-9)
        assert unbiased[i, j] == pytest.approx(song(sets[i], sets[j]), rel=1e-7, abs=1e-9)


def test_the_estimator_is_the_one_defined() -> None:
    x, y = related(8, 3, 4)
    assert hsic([x, y])[0, 1] == pytest.approx(song_by_sums(x, y), rel=1e-9)


@given(st.integers(4, 30), st.integers(1, 12), st.integers(1, 12), st.integers(0, 10_000))
def test_laws(n: int, left: int, right: int, seed: int) -> None:
    generator = np.random.default_rng(seed)
    x, y = related(n, left, right, seed=seed)
    rotation = np.linalg.qr(generator.normal(size=(left, left)))[0]
    scale, shift = float(np.exp(generator.uniform(-3, 3))), generator.normal(size=left)
    order = generator.permutation(n)
    for estimator in ("biased", "unbiased"):
        found = cka([x, y, scale * x @ rotation + shift], estimator)  # type: ignore[arg-type]
        assert np.allclose(np.diagonal(found), 1)
        assert np.array_equal(found, found.T)
        assert ((-1 if estimator == "unbiased" else 0) <= found).all() and (found <= 1).all()
        assert found[0, 2] == pytest.approx(1, abs=1e-6)
        assert found[2, 1] == pytest.approx(found[0, 1], abs=1e-6)
        moved = cka([x[order], y[order]], estimator)  # type: ignore[arg-type]
        assert moved[0, 1] == pytest.approx(found[0, 1], abs=1e-6)


def test_one_batch_is_all_sentences() -> None:
    sets = related(50, 6, 9)
    assert np.array_equal(minibatch_cka(sets, 50), cka(sets))
    assert np.array_equal(minibatch_cka(sets, 64, seed=3), cka(sets))


@pytest.mark.exhaustive
def test_the_mean_over_batches_converges() -> None:
    sets = related(240, 20, 20)
    whole = cka(sets)[0, 1]
    near, far = (
        np.mean([abs(minibatch_cka(sets, 20, epochs, seed)[0, 1] - whole) for seed in range(8)]) for epochs in (40, 1)
    )
    assert near < 0.01 and near < far / 3
    # The batches' own HSIC is unbiased: over all draws its mean is that of all sentences.
    generator = np.random.default_rng(0)
    draws = [hsic([each[chosen] for each in sets]) for chosen in (generator.permutation(240)[:20] for _ in range(3000))]
    spread = np.std(draws, axis=0) / np.sqrt(len(draws))
    assert (np.abs(np.mean(draws, 0) - hsic(sets)) < 4 * spread).all()


def test_unrelated_sets_are_alike_by_the_biased_one_only() -> None:
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 80, 768))
    assert cka([x, y], "biased")[0, 1] > 0.9
    assert abs(cka([x, y])[0, 1]) < 0.05


@pytest.mark.parametrize(("n", "size"), [(9, 4), (10, 4), (11, 6), (13, 5)])
def test_no_batch_is_too_small(n: int, size: int) -> None:
    assert np.isfinite(minibatch_cka(related(n, 3, 3), size)).all()


def test_a_set_that_does_not_vary_is_like_nothing() -> None:
    x, y = related(12, 4, 5)
    for still in (np.full((12, 3), 1e3), np.zeros((12, 3))):
        for estimator in ("biased", "unbiased"):
            found = cka([x, still, y], estimator)  # type: ignore[arg-type]
            assert np.isnan(found[1]).all() and np.isnan(found[:, 1]).all()
            assert np.isfinite(found[np.ix_([0, 2], [0, 2])]).all()


def test_bad_input() -> None:
    x, y = related(12, 4, 5)
    for sets, message in (
        ([x, y[:11]], r"the same sentences, but the sets have \[11, 12\]"),
        ([x[:3], y[:3]], "at least 4 sentences"),
        ([x, np.where(y == y[3, 2], np.nan, y)], "set 1 of 2 .* not finite"),
    ):
        with pytest.raises(InputError, match=message):
            cka(sets)
    with pytest.raises(InputError, match="batches of 3"):
        minibatch_cka([x, y], 3)
