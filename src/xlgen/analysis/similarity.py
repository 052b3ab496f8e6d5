"""Compare models and languages by CKA, layer by layer (Ji et al. 2024, Figures 1 and 2)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xlgen.analysis.cka import Array, Estimator, cka, minibatch_cka
from xlgen.core.registry import InputError


@dataclass(frozen=True)
class LayerStates:
    """The states of an encoder, or another part of a model, for parallel sentences. Layer 0 is the embeddings."""

    model: str
    ids: Sequence[str]
    """Ids of the sentences, the same in every language."""
    of: Mapping[str, NDArray[np.float32]]
    """States by language: (1 + layers, sentences, width), averaged over each sentence's tokens."""
    lengths: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Length of each sentence in input tokens, by language; empty if not known."""
    part: str = "encoder"
    """The part of the model."""

    def __post_init__(self) -> None:
        for language, states in self.of.items():
            if states.shape[1] != len(self.ids):
                raise InputError(
                    f"{self.model}: {states.shape[1]} sentences in {language} and {len(self.ids)} ids; only "
                    "representations of parallel sentences can be compared"
                )
            broken = [layer for layer, rows in enumerate(states) if not np.isfinite(rows).all()]
            if broken:
                raise InputError(
                    f"{self.model}: the states of layer {broken[0]} in {language} are not finite (NaN or infinite) "
                    f"in its {self.part}; the checkpoint has diverged, or its precision is too low for it"
                )

    @property
    def depth(self) -> int:
        """The number of layers, without the embeddings."""
        return next(iter(self.of.values())).shape[0] - 1

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order in which they were read."""
        return tuple(self.of)


@dataclass(frozen=True)
class SimilaritySettings:
    """Settings of the CKA estimate; see :func:`xlgen.analysis.cka.minibatch_cka`."""

    batch_size: int = 256
    epochs: int = 1
    seed: int = 0
    estimator: Estimator = "unbiased"
    """``biased`` uses the formula of Ji et al. (2024, section 3.2) on all sentences at once."""

    def signature(self, sentences: int) -> str:
        """The signature of a value: how it was measured."""
        if self.estimator == "biased":
            return f"hsic:biased|states:encoder-mean|sentences:{sentences}"
        if self.batch_size >= sentences:
            return f"hsic:unbiased|states:encoder-mean|sentences:{sentences}"
        return (
            f"hsic:unbiased|states:encoder-mean|sentences:{sentences}|batch:{self.batch_size}"
            f"|epochs:{self.epochs}|seed:{self.seed}"
        )


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

    def rows(self) -> list[dict[str, Any]]:
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
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> BetweenModels:
        """Rebuild the object from its rows."""
        first = rows[0]
        languages = tuple(dict.fromkeys(row["language"] for row in rows))
        places = {(row["language"], row["first_layer"], row["second_layer"]): _value(row) for row in rows}
        shape = (1 + max(row["first_layer"] for row in rows), 1 + max(row["second_layer"] for row in rows))
        every = np.array([[[places[c, i, j] for j in range(shape[1])] for i in range(shape[0])] for c in languages])
        layers = tuple(dict.fromkeys((row["first_layer"], row["second_layer"]) for row in rows if row["matched"]))
        return cls(first["first"], first["second"], languages, layers, every, first["n"], first["signature"])


@dataclass(frozen=True)
class BetweenLanguages:
    """CKA of the languages of one model, by layer (Ji et al. 2024, Figure 2)."""

    model: str
    languages: tuple[str, ...]
    values: Array
    """(1 + layers, languages, languages)."""
    n: int
    signature: str

    def rows(self) -> list[dict[str, Any]]:
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
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> BetweenLanguages:
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

    def rows(self) -> list[dict[str, Any]]:
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
    def of(cls, rows: Sequence[Mapping[str, Any]]) -> WithLength:
        """Rebuild the object from its rows."""
        codes = tuple(dict.fromkeys(row["language"] for row in rows))
        values = np.array([_value(row) for row in rows]).reshape(-1, len(codes))
        return cls(rows[0]["model"], codes, values, rows[0]["n"], rows[0]["signature"])


def compare_with_length(states: LayerStates, settings: SimilaritySettings | None = None) -> WithLength:
    """CKA of every layer and language with the sentences' lengths. Raises InputError if these are not known."""
    settings = settings or SimilaritySettings()
    if set(states.lengths) != set(states.of):
        raise InputError(f"{states.model}: the lengths of the sentences are not known")
    found = []
    for code, layers in states.of.items():
        size = np.log(np.asarray(states.lengths[code], dtype=np.float32))[:, None]  # (sentences, 1)
        found.append(_cka([size, *layers], settings)[0, 1:])
    n = len(states.ids)
    return WithLength(states.model, states.languages, np.stack(found, 1), n, settings.signature(n))


def compare_models(
    first: LayerStates, second: LayerStates, settings: SimilaritySettings | None = None, relative_depth: bool = False
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
    settings = settings or SimilaritySettings()
    if list(first.ids) != list(second.ids):
        raise InputError(f"{first.model} and {second.model} were given different sentences; CKA needs the same ones")
    if set(first.languages) != set(second.languages):
        odd = ", ".join(sorted(set(first.languages) ^ set(second.languages)))
        raise InputError(f"{first.model} and {second.model} were given different languages: only one has {odd}")
    if first.depth != second.depth and not relative_depth:
        raise InputError(
            f"the layers do not match: {first.model} has {first.depth} and {second.model} {second.depth}; compare them "
            "by relative depth with --relative-depth"
        )
    depth = max(first.depth, 1)
    layers = tuple((layer, round(layer * second.depth / depth)) for layer in range(first.depth + 1))
    found = [_cka([*first.of[code], *second.of[code]], settings) for code in first.languages]
    cut = first.depth + 1
    n = len(first.ids)
    every = np.stack([values[:cut, cut:] for values in found])
    return BetweenModels(first.model, second.model, first.languages, layers, every, n, settings.signature(n))


def compare_languages(states: LayerStates, settings: SimilaritySettings | None = None) -> BetweenLanguages:
    """CKA of every pair of languages at every layer. Raises InputError for fewer than two languages."""
    settings = settings or SimilaritySettings()
    if len(states.languages) < 2:
        raise InputError(f"{states.model}: CKA of languages needs at least two, not {len(states.languages)}")
    values = [
        _cka([states.of[code][layer] for code in states.languages], settings) for layer in range(states.depth + 1)
    ]
    n = len(states.ids)
    return BetweenLanguages(states.model, states.languages, np.stack(values), n, settings.signature(n))


def _cka(sets: Sequence[NDArray[np.float32]], settings: SimilaritySettings) -> Array:
    if settings.estimator == "biased":
        return cka(sets, "biased")
    return minibatch_cka(sets, settings.batch_size, settings.epochs, settings.seed)


def _value(row: Mapping[str, Any]) -> float:
    return math.nan if row["value"] is None else float(row["value"])


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
