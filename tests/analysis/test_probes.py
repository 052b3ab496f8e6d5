"""Language probes: the minimum of the regression, and the accuracy on states with and without a language signal."""

from __future__ import annotations

import numpy as np
import pytest

from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.probes import ALL, LENGTH, SHUFFLED, STATES, ProbeSettings, fit, log_probabilities, probe
from xlgen.core.registry import InputError

CODES = ("en", "th", "ar", "ja")


def made(spread: float, n: int = 60, seed: int = 0, sizes: dict[str, int] | None = None) -> LayerStates:
    """States that are independent of the language in layer 0, and differ by ``spread`` in layer 1."""
    rng = np.random.default_rng(seed)
    meaning = rng.normal(size=(n, 8))
    of = {}
    for code in CODES:
        centre = spread * rng.normal(size=8)
        of[code] = np.stack([meaning, meaning + centre + rng.normal(size=(n, 8))]).astype(np.float32)
    lengths = {code: rng.poisson((sizes or {}).get(code, 20), size=n) + 1 for code in CODES}
    return LayerStates("a", [str(i) for i in range(n)], of, lengths)


@pytest.mark.spread(8)
@pytest.mark.parametrize("l2", [1e-6, 1e-4, 0.01, 1.0, 10.0])
@pytest.mark.parametrize("classes", [2, 4, 12])
@pytest.mark.parametrize("distance", [0.0, 4.0])
def test_the_gradient_is_zero_at_the_minimum(l2: float, classes: int, distance: float) -> None:
    """For overlapping classes, and for separable ones, where only the penalty keeps weights finite."""
    rng = np.random.default_rng(3)
    labels = np.repeat(np.arange(classes), 20)
    inputs = rng.normal(size=(len(labels), 8)) + distance * rng.normal(size=(classes, 8))[labels]
    model = fit(inputs, labels, l2)
    scaled = (inputs - inputs.mean(0)) / inputs.std(0)
    errors = model.predict_proba(inputs) - np.eye(classes)[labels]  # (rows, classes)
    weights = model[-1].coef_
    weights = np.concatenate([-weights, weights]) / 2 if classes == 2 else weights
    assert np.allclose(errors.sum(0), 0, atol=1e-3)
    assert np.allclose(scaled.T @ errors + l2 * weights.T, 0, atol=1e-3)


def test_a_constant_input_is_ignored() -> None:
    rng = np.random.default_rng(3)
    inputs, labels = rng.normal(size=(40, 3)), np.repeat([0, 1], 20)
    padded = np.concatenate([inputs, np.full((40, 1), 7.0)], axis=1)
    expected = log_probabilities(fit(inputs, labels), inputs)
    assert np.allclose(log_probabilities(fit(padded, labels), padded), expected, atol=1e-6)


@pytest.mark.parametrize("classes", [2, 3])
def test_log_probabilities_of_certain_mistakes_are_finite(classes: int) -> None:
    labels = np.repeat(np.arange(classes), 2)
    model = fit(labels[:, None] + np.tile([0.0, 0.1], classes)[:, None], labels, 1e-3)
    logs = log_probabilities(model, np.array([[-1000.0], [1000.0]]))
    assert np.isfinite(logs).all()
    assert logs.min() < -1000
    near = np.array([[0.4], [0.6]])
    assert np.allclose(log_probabilities(model, near), model.predict_log_proba(near))


def test_a_penalty_of_zero_is_refused() -> None:
    with pytest.raises(InputError, match="must be above 0"):
        fit(np.zeros((4, 1)), np.array([0, 1, 0, 1]), 0.0)


def test_a_regression_that_has_not_converged_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlgen.analysis.probes._MAX_ITERATIONS", 2)
    with pytest.raises(InputError, match=r"not converged in 2 iterations; use a larger `l2` \(--l2\)"):
        probe(made(1.0), "encoder")


def test_accuracy_is_high_only_with_a_language_signal() -> None:
    found = probe(made(3.0), "encoder")
    assert found.n == 18 and found.states.shape == (2, 4)
    # Layer 0 is the same in all languages, and the split is by id: a guess is right in one of four.
    assert found.states[0].mean() == pytest.approx(25) and found.bits[0] == pytest.approx(2, abs=0.05)
    assert found.states[1].mean() > 95 and found.bits[1] < 0.3
    assert found.shuffled[1].mean() < 60 and found.length.mean() < 55


def test_lengths_alone_predict_languages_of_different_lengths() -> None:
    found = probe(made(0.0, sizes={"en": 10, "th": 40, "ar": 160, "ja": 640}), "decoder")
    assert found.length.min() > 90 and found.states[0].mean() == pytest.approx(25)


def test_the_split_is_by_id_and_by_seed() -> None:
    one, same, other = (probe(made(0.3), "encoder", ProbeSettings(seed=seed)) for seed in (0, 0, 1))
    assert np.array_equal(one.states, same.states) and not np.array_equal(one.states, other.states)
    assert "train:42|test:18" in one.signature


def test_rows_have_every_control_and_the_mean() -> None:
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
