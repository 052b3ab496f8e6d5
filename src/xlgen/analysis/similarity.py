"""Compare models and languages by CKA, layer by layer: values, tables and figures (Ji et al. 2024, Figures 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xlgen.analysis.cka import Array, CKASettings, estimate
from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.rows import AnalysisRow, AnalysisRows, by_model, layer_name, two_digits
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.tables import Column, Table, number_column, text_table
from xlgen.runs.runs import short_backbone


@dataclass(frozen=True)
class BetweenModels:
    """CKA of two models by layer and language (Ji et al. 2024, Figure 1)."""

    first: str
    second: str
    languages: tuple[str, ...]
    layers: tuple[tuple[int, int], ...]
    """Pairs of a layer of the first model and the layer of the second to compare it with."""
    every: Array
    """(languages, 1 + layers of the first, 1 + layers of the second)."""
    n: int
    signature: str

    @property
    def values(self) -> Array:
        """CKA of the paired layers: (layers, languages)."""
        left, right = zip(*self.layers, strict=True)
        return self.every[:, list(left), list(right)].T

    def rows(self) -> list[AnalysisRow]:
        """One row per language and pair of layers, for all pairs; ``matched`` marks the pairs in ``layers``."""
        return [
            {
                "analysis": "cka-models", "first": self.first, "second": self.second, "language": language,
                "first_layer": i, "second_layer": j, "matched": (i, j) in self.layers,
                "value": _number(self.every[place, i, j]), "n": self.n, "signature": self.signature,
            }
            for place, language in enumerate(self.languages)
            for i in range(self.every.shape[1])
            for j in range(self.every.shape[2])
        ]  # fmt: skip

    @classmethod
    def of(cls, rows: AnalysisRows) -> BetweenModels:
        """Rebuild the object from its rows."""
        first = rows[0]
        languages = tuple(dict.fromkeys(row["language"] for row in rows))
        places = {(row["language"], row["first_layer"], row["second_layer"]): _value(row) for row in rows}
        shape = (1 + max(row["first_layer"] for row in rows), 1 + max(row["second_layer"] for row in rows))
        every = np.array([[[places[c, i, j] for j in range(shape[1])] for i in range(shape[0])] for c in languages])
        layers = tuple(dict.fromkeys((row["first_layer"], row["second_layer"]) for row in rows if row["matched"]))
        return cls(first["first"], first["second"], languages, layers, every, first["n"], first["signature"])

    def table(self) -> Table:
        """One row per layer, the last layer first as in the heat map; one column per language."""
        lines = [
            [_pair(left, right), *(two_digits(value) for value in (*values, values.mean()))]
            for (left, right), values in reversed(list(zip(self.layers, self.values, strict=True)))
        ]
        columns: list[str | Column] = ["layer", *map(number_column, (*self.languages, "mean"))]
        return text_table("cka-models", f"CKA of {self.first} and {self.second}", columns, lines)

    def figure(self, name: str) -> Heatmaps:
        """Figure 1 of Ji et al. (2024): layers from the bottom up, languages from left to right."""
        rows = [_pair(left, right) for left, right in reversed(self.layers)]
        title = f"CKA: {short_backbone(self.first)} vs {short_backbone(self.second)}"
        panel = Panel("", rows, self.languages, self.values[::-1])
        return Heatmaps(name, title, (panel,), limits=(_bottom(self.values), 1.0), axes=("layer", ""))


@dataclass(frozen=True)
class BetweenLanguages:
    """CKA of the languages of one model, by layer (Ji et al. 2024, Figure 2)."""

    model: str
    languages: tuple[str, ...]
    values: Array
    """(1 + layers, languages, languages)."""
    n: int
    signature: str

    def rows(self) -> list[AnalysisRow]:
        """One row per layer and pair of languages."""
        count = len(self.languages)
        return [
            {
                "analysis": "cka-languages", "model": self.model, "layer": layer, "language": self.languages[i],
                "other_language": self.languages[j], "value": _number(self.values[layer, i, j]), "n": self.n,
                "signature": self.signature,
            }
            for layer in range(len(self.values))
            for i in range(count)
            for j in range(i + 1, count)
        ]  # fmt: skip

    @classmethod
    def of(cls, rows: AnalysisRows) -> BetweenLanguages:
        """Rebuild the object from its rows."""
        codes = tuple(dict.fromkeys(row[key] for key in ("language", "other_language") for row in rows))
        values = np.ones((1 + max(row["layer"] for row in rows), len(codes), len(codes)))
        for row in rows:
            i, j = codes.index(row["language"]), codes.index(row["other_language"])
            values[row["layer"], i, j] = values[row["layer"], j, i] = _value(row)
        return cls(rows[0]["model"], codes, values, rows[0]["n"], rows[0]["signature"])

    def means(self) -> Array:
        """The mean over pairs of different languages, by layer: (1 + layers,)."""
        pairs = np.triu_indices(len(self.languages), 1)
        return np.asarray(self.values[:, pairs[0], pairs[1]].mean(1), dtype=float)

    def table(self) -> Table:
        """One row per layer: the mean over pairs of languages, the most similar pair and the least similar one."""
        left, right = np.triu_indices(len(self.languages), 1)
        named = [f"{self.languages[i]}–{self.languages[j]}" for i, j in zip(left, right, strict=True)]
        lines = []
        for layer in reversed(range(len(self.values))):
            values = self.values[layer, left, right]
            cells = ["–", "–", "–"]
            if not np.isnan(values).all():
                ends = (f"{named[place]} {values[place]:.2f}" for place in (np.nanargmax(values), np.nanargmin(values)))
                cells = [two_digits(values.mean()), *ends]
            lines.append([layer_name(layer), *cells])
        columns: list[str | Column] = ["layer", number_column("mean"), "most alike", "least alike"]
        return text_table("cka-languages", f"CKA of the languages of {self.model}", columns, lines)

    def figure(self, name: str) -> Heatmaps:
        """Figure 2 of Ji et al. (2024): one panel per layer with the lower triangle of a matrix of languages."""
        shown = np.where(np.tri(len(self.languages), k=-1)[None] > 0, self.values, np.nan)
        panels = tuple(
            Panel(layer_name(layer, words=True), self.languages[1:], self.languages[:-1], shown[layer, 1:, :-1])
            for layer in range(len(shown))
        )
        title = f"CKA between languages: {short_backbone(self.model)}"
        return Heatmaps(name, title, panels, limits=(_bottom(shown), 1.0))


@dataclass(frozen=True)
class WithLength:
    """CKA of one model's states with the logarithm of each sentence's length in tokens.

    It shows how much of other CKA values sentence length alone may explain, because translations have similar lengths.
    It is near 1 if the model adds learned positions whose mean outweighs the words.
    """

    model: str
    languages: tuple[str, ...]
    values: Array
    """(1 + layers, languages)."""
    n: int
    signature: str

    def rows(self) -> list[AnalysisRow]:
        """One row per layer and language."""
        return [
            {
                "analysis": "cka-length", "model": self.model, "layer": layer, "language": language,
                "value": _number(self.values[layer, place]), "n": self.n, "signature": self.signature,
            }
            for layer in range(len(self.values))
            for place, language in enumerate(self.languages)
        ]  # fmt: skip

    @classmethod
    def of(cls, rows: AnalysisRows) -> WithLength:
        """Rebuild the object from its rows."""
        codes = tuple(dict.fromkeys(row["language"] for row in rows))
        values = np.array([_value(row) for row in rows]).reshape(-1, len(codes))
        return cls(rows[0]["model"], codes, values, rows[0]["n"], rows[0]["signature"])


@dataclass(frozen=True)
class Similarity:
    """All that is measured on the states of one or two models."""

    languages: tuple[BetweenLanguages, ...]
    """For each model; empty if there is one language."""
    models: BetweenModels | None
    lengths: tuple[WithLength, ...]

    def rows(self) -> list[JsonObject]:
        """The rows of each part."""
        parts = (*self.languages, *((self.models,) if self.models else ()), *self.lengths)
        return [row for part in parts for row in part.rows()]

    def tables(self) -> list[Table]:
        """The comparison of the models, or of the languages of a single model; then the comparison with lengths."""
        first = [self.models.table()] if self.models else [each.table() for each in self.languages]
        return [*first, length_table(self.lengths)]

    def figures(self) -> list[Heatmaps]:
        """Heat maps of the languages of each model, and of the models."""
        found = [each.figure(f"cka-languages-{number}") for number, each in enumerate(self.languages, start=1)]
        return [*found, self.models.figure("cka-models")] if self.models else found


def compare_states(
    first: LayerStates,
    second: LayerStates | None = None,
    settings: CKASettings | None = None,
    relative_depth: bool = False,
) -> Similarity:
    """Compare two models, or the languages of a single one. Arguments and errors as for :func:`compare_models`."""
    states = [first] if second is None else [first, second]
    # A single model with one language has nothing to compare, which compare_languages reports.
    several = len(first.languages) > 1 or second is None
    return Similarity(
        tuple(compare_languages(each, settings) for each in states) if several else (),
        compare_models(first, second, settings, relative_depth) if second is not None else None,
        tuple(compare_with_length(each, settings) for each in states),
    )


def models_tables(rows: AnalysisRows) -> list[Table]:
    """The tables of saved rows of :class:`BetweenModels`."""
    return [BetweenModels.of(rows).table()]


def languages_tables(rows: AnalysisRows) -> list[Table]:
    """The tables of saved rows of :class:`BetweenLanguages`, one for each model."""
    return [BetweenLanguages.of(own).table() for own in by_model(rows)]


def length_tables(rows: AnalysisRows) -> list[Table]:
    """The tables of saved rows of :class:`WithLength`."""
    return [length_table([WithLength.of(own) for own in by_model(rows)])]


def length_table(found: Sequence[WithLength]) -> Table:
    """One row per layer, one column per model: the mean over languages."""
    lines = []
    for layer in reversed(range(max(len(each.values) for each in found))):
        means = (each.values[layer].mean() if layer < len(each.values) else np.nan for each in found)
        lines.append([layer_name(layer), *(two_digits(float(value)) for value in means)])
    columns: list[str | Column] = ["layer", *(number_column(short_backbone(each.model)) for each in found)]
    title = "CKA with the log of sentence length: similarity that length alone may explain"
    return text_table("cka-length", title, columns, lines)


def compare_with_length(states: LayerStates, settings: CKASettings | None = None) -> WithLength:
    """CKA of every layer and language with the sentences' lengths. Raises InputError if these are not known."""
    settings = settings or CKASettings()
    if set(states.lengths) != set(states.of):
        raise InputError(f"{states.model}: the lengths of the sentences are not known")
    found = []
    for code, layers in states.of.items():
        size = np.log(np.asarray(states.lengths[code], dtype=np.float32))[:, None]  # (sentences, 1)
        found.append(estimate([size, *layers], settings)[0, 1:])
    n = len(states.ids)
    return WithLength(states.model, states.languages, np.stack(found, 1), n, settings.signature(n))


def compare_models(
    first: LayerStates, second: LayerStates, settings: CKASettings | None = None, relative_depth: bool = False
) -> BetweenModels:
    """CKA of two models' representations of the same sentences.

    Args:
        first: States of the first model, whose layers index the result.
        second: States of the second model for the same sentences and languages.
        settings: If None, the defaults.
        relative_depth: If the depths differ, compare each layer of the first model with the layer at the same relative
            depth in the second.

    Raises:
        InputError: if sentences or languages differ, or the depths differ and ``relative_depth`` is not set.
    """
    settings = settings or CKASettings()
    if list(first.ids) != list(second.ids):
        raise InputError(f"{first.model} and {second.model} were given different sentences; CKA needs the same ones")
    if set(first.languages) != set(second.languages):
        odd = ", ".join(sorted(set(first.languages) ^ set(second.languages)))
        raise InputError(f"{first.model} and {second.model} were given different languages: only one has {odd}")
    if first.depth != second.depth and not relative_depth:
        raise InputError(
            f"the layers do not match: {first.model} has {first.depth} and {second.model} {second.depth}; compare them "
            f"by relative depth with {argument('relative_depth')}"
        )
    depth = max(first.depth, 1)
    layers = tuple((layer, round(layer * second.depth / depth)) for layer in range(first.depth + 1))
    found = [estimate([*first.of[code], *second.of[code]], settings) for code in first.languages]
    cut = first.depth + 1
    n = len(first.ids)
    every = np.stack([values[:cut, cut:] for values in found])
    return BetweenModels(first.model, second.model, first.languages, layers, every, n, settings.signature(n))


def compare_languages(states: LayerStates, settings: CKASettings | None = None) -> BetweenLanguages:
    """CKA of every pair of languages at every layer. Raises InputError for fewer than two languages."""
    settings = settings or CKASettings()
    if len(states.languages) < 2:
        raise InputError(f"{states.model}: CKA of languages needs at least two, not {len(states.languages)}")
    values = [
        estimate([states.of[code][layer] for code in states.languages], settings) for layer in range(states.depth + 1)
    ]
    n = len(states.ids)
    return BetweenLanguages(states.model, states.languages, np.stack(values), n, settings.signature(n))


def _value(row: JsonMapping) -> float:
    return math.nan if row["value"] is None else float(row["value"])


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(left: int, right: int) -> str:
    return layer_name(left) if left == right else f"{layer_name(left)}–{layer_name(right)}"


def _bottom(values: Array) -> float:
    """The lower limit of the colour scale: zero as in Figure 2 of Ji et al. (2024), or lower if a value is negative."""
    return min(0.0, float(np.nanmin(values))) if np.isfinite(values).any() else 0.0
