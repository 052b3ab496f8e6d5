"""Language probes: how well a linear classifier predicts the language of a text from a layer's states.

The classifier is a multinomial logistic regression with an L2 penalty (like the probes of Alain and Bengio 2016) on
standardised states. Texts are parallel and are split by id, so no training text has a translation in the test set.
There are two controls: the same classifier with shuffled labels, and with only the texts' lengths as input.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.rows import AnalysisRow, AnalysisRows, numbered, short_name, unique, where
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonObject, JsonValue
from xlgen.core.registry import InputError
from xlgen.core.tables import Column, Table, number_column, text_table

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

ALL = "all"
"""The ``language`` of rows with the mean over languages."""
STATES, SHUFFLED, LENGTH = "states", "shuffled labels", "length alone"
"""The inputs of a classifier."""
_MAX_ITERATIONS = 10_000


@dataclass(frozen=True)
class ProbeSettings:
    """How a probe is trained."""

    l2: float = 1.0
    """Factor of half the squared weights, which are added to the summed log-loss; 1 / C in scikit-learn."""
    train_share: float = 0.7
    seed: int = 0
    """Seed of the split and of the shuffled labels."""

    def signature(self, train: int, test: int) -> str:
        """The signature of a value: how it was measured."""
        return f"probe:logistic|l2:{self.l2:g}|standardised|train:{train}|test:{test}|split:by-id|seed:{self.seed}"


@dataclass(frozen=True)
class Probed:
    """Probe accuracy by layer and language, in percent of the test texts."""

    model: str
    part: str
    """``encoder``, ``decoder`` or ``decoder start``."""
    languages: tuple[str, ...]
    states: Array
    """Accuracy from states: (1 + layers, languages)."""
    bits: Array
    """Mean -log2 probability of the true language: (1 + layers,). It still differs between layers at 100 % accuracy."""
    shuffled: Array
    """Accuracy after training with shuffled labels: (1 + layers, languages)."""
    length: Array
    """Accuracy from lengths alone: (languages,)."""
    n: int
    """Number of test texts per language."""
    signature: str

    def rows(self) -> list[JsonObject]:
        """One row per layer, language (and their mean) and kind of input."""
        shared = {"analysis": "probe", "model": self.model, "part": self.part}
        found = []
        for layer in range(len(self.states)):
            kinds = {STATES: self.states[layer], SHUFFLED: self.shuffled[layer], LENGTH: self.length}
            for given, values in kinds.items():
                for code, value in zip((*self.languages, ALL), (*values, values.mean()), strict=True):
                    bits = float(self.bits[layer]) if (given, code) == (STATES, ALL) else None
                    about = {"layer": layer, "language": code, "given": given, "value": float(value), "bits": bits}
                    found.append({**shared, **about, "n": self.n, "signature": self.signature})
        return found


def probe(states: LayerStates, part: str, settings: ProbeSettings | None = None) -> Probed:
    """Probe every layer of ``states``.

    Raises InputError if there are fewer than two languages, too few texts to split, or no lengths.
    """
    settings = settings or ProbeSettings()
    codes = states.languages
    if len(codes) < 2:
        raise InputError(f"{states.model}: a language probe needs at least two languages, not {len(codes)}")
    if set(states.lengths) != set(codes):
        raise InputError(f"{states.model}: the lengths of the texts are not known")
    count = len(states.ids)
    rng = np.random.default_rng(settings.seed)
    order = rng.permutation(count)
    cut = round(settings.train_share * count)
    if not 1 <= cut < count:
        raise InputError(f"{states.model}: {count} texts cannot be split into {settings.train_share:.0%} and the rest")
    train, test = order[:cut], order[cut:]
    labels = np.repeat(np.arange(len(codes)), cut)  # grouped by language, like the result of `_rows`
    mixed = rng.permutation(labels)
    accuracy, bits, shuffled = [], [], []
    for layer in range(states.depth + 1):
        of_layer = {code: states.of[code][layer] for code in codes}
        given, asked = _rows(of_layer, train), _rows(of_layer, test)
        logs = log_probabilities(fit(given, labels, settings.l2), asked)
        accuracy.append(_accuracy(logs, len(codes)))
        truth = np.repeat(np.arange(len(codes)), len(test))
        bits.append(-logs[np.arange(len(truth)), truth].mean() / math.log(2))
        shuffled.append(_accuracy(log_probabilities(fit(given, mixed, settings.l2), asked), len(codes)))
    lengths = {code: _powers(states.lengths[code]) for code in codes}
    by_length = log_probabilities(fit(_rows(lengths, train), labels, settings.l2), _rows(lengths, test))
    return Probed(
        model=states.model,
        part=part,
        languages=codes,
        states=np.stack(accuracy),
        bits=np.array(bits),
        shuffled=np.stack(shuffled),
        length=_accuracy(by_length, len(codes)),
        n=len(test),
        signature=settings.signature(len(train), len(test)),
    )


def probe_tables(rows: AnalysisRows) -> list[Table]:
    """One row per part and layer: each model's mean accuracy, bits, lowest accuracy, and the controls."""
    models, index = unique(rows, "model"), {_key(row): row for row in rows}
    columns: list[str | Column] = ["part", number_column("layer")]
    for number, _ in enumerate(models, start=1):
        mark = f" {number}" if len(models) > 1 else ""
        columns += map(number_column, (f"states{mark}", "bits", "lowest", "shuffled", "length"))
    lines = [
        [part, str(layer), *(cell for model in models for cell in _cells(index, model, part, layer))]
        for part, layer in dict.fromkeys((row["part"], row["layer"]) for row in rows)
    ]
    title = f"Accuracy of predicting the language from states, % of held-out texts: {numbered(models)}"
    return [text_table("probe", title, columns, lines)]


def probe_figure(rows: AnalysisRows) -> Heatmaps:
    """One panel per part and model: layers bottom up, languages left to right, accuracy in percent."""
    panels = []
    models = unique(rows, "model")
    for part in unique(rows, "part"):
        for model in models:
            mine = where(rows, part=part, model=model, given=STATES)
            languages = [code for code in unique(mine, "language") if code != ALL]
            layers = unique(mine, "layer")
            values = {(row["layer"], row["language"]): row["value"] for row in mine}
            matrix = np.array([[values[layer, code] for code in languages] for layer in reversed(layers)])
            title = f"{part}: {short_name(model, models)}"
            panels.append(Panel(title, [str(layer) for layer in reversed(layers)], languages, matrix))
    title = "Accuracy of predicting the language from states, % of held-out texts"
    return Heatmaps("probe", title, tuple(panels), across=len(models), limits=(0.0, 100.0), axes=("layer", ""))


def _cells(index: Mapping[tuple[JsonValue, ...], AnalysisRow], model: str, part: str, layer: int) -> list[str]:
    """The cells of one model and layer; empty if the model has no such part or layer."""
    if (model, part, layer, ALL, STATES) not in index:
        return [""] * 5
    of_all = {given: index[model, part, layer, ALL, given] for given in (STATES, SHUFFLED, LENGTH)}
    languages = [key for key in index if key[:3] == (model, part, layer) and key[4] == STATES and key[3] != ALL]
    lowest = min(languages, key=lambda key: index[key]["value"])
    worst = "" if index[lowest]["value"] == 100 else f"{lowest[3]} {index[lowest]['value']:.0f}"
    first = (f"{of_all[STATES]['value']:.1f}", f"{of_all[STATES]['bits']:.3f}", worst)
    return [*first, f"{of_all[SHUFFLED]['value']:.1f}", f"{of_all[LENGTH]['value']:.1f}"]


def _key(row: AnalysisRow) -> tuple[JsonValue, ...]:
    return row["model"], row["part"], row["layer"], row["language"], row["given"]


def fit(inputs: Array, labels: Labels, l2: float = 1.0) -> Pipeline:
    """Standardise ``inputs``, (rows, width), and fit a multinomial logistic regression to ``labels``, (rows,).

    Minimizes ``sum_i -log p(label_i | input_i) + l2 / 2 * ||weights||^2``, with weights for every class. Raises
    InputError if the penalty is not above 0, or the minimum is not reached.
    """
    require("analysis", "a language probe")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if not l2 > 0:
        raise InputError(f"a penalty of {l2:g}: it must be above 0, since separable classes have no finite optimum")
    # For two classes, scikit-learn has one weight vector, which is twice that of one class here.
    strength = (2 if len(np.unique(labels)) == 2 else 1) / l2
    # With the default tolerance, it stops long before the minimum if the penalty is small and classes are separable.
    regression = LogisticRegression(C=strength, tol=1e-12, max_iter=_MAX_ITERATIONS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # also of rounding errors close to the minimum
        model = make_pipeline(StandardScaler(), regression).fit(inputs, labels)
    if regression.n_iter_.max() >= _MAX_ITERATIONS:
        raise InputError(
            f"the regression with a penalty of {l2:g} has not converged in {_MAX_ITERATIONS} iterations; use a larger "
            f"{argument('l2')}"
        )
    return model


def log_probabilities(model: Pipeline, inputs: Array) -> Array:
    """The log-probability of each class for each row: (rows, classes). All are finite.

    ``predict_log_proba`` of scikit-learn takes the logarithm of probabilities, and those round to 0.
    """
    from scipy.special import log_softmax

    scores = model.decision_function(inputs)
    if scores.ndim == 1:  # of two classes, those of the second
        scores = np.stack([np.zeros_like(scores), scores], 1)
    return np.asarray(log_softmax(scores, axis=1))


def _accuracy(logs: Array, languages: int) -> Array:
    """Accuracy in percent by language: (languages,). Rows are grouped by language."""
    right = logs.argmax(1).reshape(languages, -1) == np.arange(languages)[:, None]
    return np.asarray(100 * right.mean(1))


def _rows(of: Mapping[str, np.ndarray], chosen: NDArray[np.int64]) -> Array:
    return np.concatenate([rows[chosen] for rows in of.values()]).astype(np.float64)


def _powers(lengths: Sequence[int]) -> Array:
    """The log length and its square; with the square, a language with medium lengths is linearly separable."""
    logs = np.log(np.asarray(lengths, dtype=np.float64))
    return np.stack([logs, logs**2], 1)
