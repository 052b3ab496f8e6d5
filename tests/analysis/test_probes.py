"""The probe against scikit-learn's logistic regression; what it finds where there is something, and where not."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.probes import ALL, LENGTH, SHUFFLED, STATES, ProbeSettings, fit, probe
from xlgen.core.registry import InputError

CODES = ("en", "th", "ar", "ja")


def made(spread: float, n: int = 60, seed: int = 0, sizes: dict[str, int] | None = None) -> LayerStates:
    """Layer 0 tells nothing of the language, layer 1 as much as ``spread``; parallel texts are alike."""
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, 8))
    of = {}
    for code in CODES:
        centre = spread * rng.normal(size=8)
        of[code] = np.stack([meaning, meaning + centre + rng.normal(size=(n, 8))]).astype(np.float32)
    lengths = {code: rng.poisson((sizes or {}).get(code, 20), size=n) + 1 for code in CODES}
    return LayerStates("a", [str(i) for i in range(n)], of, lengths)


@pytest.mark.parametrize("l2", [1e-4, 0.01, 0.1, 1.0, 10.0])
@pytest.mark.parametrize("apart", [0.0, 4.0])
def test_it_is_scikit_learn_s_regression(l2: float, apart: float) -> None:
    """Where classes overlap, and where they are far apart and only the penalty keeps weights finite."""
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 4, size=120)
    inputs = rng.normal(size=(120, 5)) + apart * rng.normal(size=(4, 5))[labels]
    weights, intercepts = fit(inputs, labels, 4, l2)
    theirs = LogisticRegression(C=1 / l2, tol=1e-10, max_iter=5_000, solver="newton-cholesky").fit(inputs, labels)
    mine = inputs @ weights + intercepts
    expected = theirs.decision_function(inputs)
    # Scores are free by one constant a row.
    assert np.allclose(mine - mine.mean(1, keepdims=True), expected - expected.mean(1, keepdims=True), atol=2e-3)


def test_the_least_penalty_is_enough_and_none_is_not() -> None:
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(12), 20)
    apart = rng.normal(size=(240, 32)) + 4 * rng.normal(size=(12, 32))[labels]
    fit(apart, labels, 12, 1e-6)
    fit(apart, rng.permutation(labels), 12, 1e-6)
    with pytest.raises(InputError, match="must be above 0"):
        fit(apart, labels, 12, 0.0)


def test_a_regression_that_has_not_converged_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlgen.analysis.probes._MOST_STEPS", 2)
    with pytest.raises(InputError, match=r"not converged in 2 steps; use a larger `l2` \(--l2\)"):
        probe(made(1.0), "encoder")


def test_it_finds_what_is_there_and_nothing_else() -> None:
    found = probe(made(3.0), "encoder")
    assert found.n == 18 and found.states.shape == (2, 4)
    # Layer 0 is the same in all languages, and the split is by id: a guess is right in one of four.
    assert found.states[0].mean() == pytest.approx(25) and found.bits[0] == pytest.approx(2, abs=0.05)
    assert found.states[1].mean() > 95 and found.bits[1] < 0.3
    assert found.shuffled[1].mean() < 60 and found.length.mean() < 55


def test_length_alone_is_found_out_and_a_middle_one_too() -> None:
    found = probe(made(0.0, sizes={"en": 10, "th": 40, "ar": 160, "ja": 640}), "decoder")
    assert found.length.min() > 90 and found.states[0].mean() == pytest.approx(25)


def test_the_split_is_by_id_and_by_seed() -> None:
    # Were translations of a text on both sides, its meaning would say which text it is, and nothing of the language.
    one, same, other = (probe(made(0.3), "encoder", ProbeSettings(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(one.states, same.states) and not np.array_equal(one.states, other.states)
    assert "train:42|test:18" in one.signature


def test_rows_hold_every_control_and_the_mean() -> None:
    found = probe(made(1.0), "encoder")
    rows = found.rows()
    assert len(rows) == 2 * 3 * 5
    (row,) = (r for r in rows if (r["layer"], r["language"], r["given"]) == (1, ALL, STATES))
    assert row["value"] == pytest.approx(found.states[1].mean()) and row["bits"] == pytest.approx(found.bits[1])
    assert {row["given"] for row in rows} == {STATES, SHUFFLED, LENGTH}


def test_bad_input() -> None:
    good = made(1.0)
    one = {"en": good.of["en"]}
    with pytest.raises(InputError, match="at least two languages, not 1"):
        probe(LayerStates("a", good.ids, one, {"en": good.lengths["en"]}), "encoder")
    with pytest.raises(InputError, match="lengths of the texts are not known"):
        probe(LayerStates("a", good.ids, good.of), "encoder")
    with pytest.raises(InputError, match="1 texts cannot be split"):
        single = {code: states[:, :1] for code, states in good.of.items()}
        probe(LayerStates("a", ["0"], single, {code: [3] for code in CODES}), "encoder")
