"""Models and languages set against each other by CKA, layer by layer (Ji et al. 2024, Figures 1 and 2)."""

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
    """What one encoder, or another part of a model, makes of parallel sentences. Layer 0 are the embeddings."""

    model: str
    ids: Sequence[str]
    """Of the sentences, the same in every language."""
    of: Mapping[str, NDArray[np.float32]]
    """By language: (1 + layers, sentences, width), each the mean over a sentence's tokens."""
    lengths: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """By language, of each sentence in tokens, as the encoder was given it; empty where nobody counted."""
    part: str = "encoder"
    """What made them."""

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
        """Layers, without the embeddings."""
        return next(iter(self.of.values())).shape[0] - 1

    @property
    def languages(self) -> tuple[str, ...]:
        """In the order in which they were read."""
        return tuple(self.of)


@dataclass(frozen=True)
class SimilaritySettings:
    """How CKA is estimated; see :func:`xlgen.analysis.cka.minibatch_cka`."""

    batch_size: int = 256
    epochs: int = 1
    seed: int = 0
    estimator: Estimator = "unbiased"
    """``biased``: the formula of Ji et al. (2024, section 3.2), on all sentences at once."""

    def signature(self, sentences: int) -> str:
        """What a figure says of how it came about."""
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
    """CKA of two models by layer and language (J, Figure 1)."""

    first: str
    second: str
    languages: tuple[str, ...]
    layers: tuple[tuple[int, int], ...]
    """Which layer of the first is set against which of the second."""
    every: Array
    """(languages, 1 + layers of the first, 1 + layers of the second)."""
    n: int
    signature: str

    @property
    def values(self) -> Array:
        """(layers, languages): the figure."""
        left, right = zip(*self.layers, strict=True)
        return self.every[:, list(left), list(right)].T

    def rows(self) -> list[dict[str, Any]]:
        """One row a language and pair of layers, all pairs; ``matched`` marks those of the figure."""
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
        """What gave these rows."""
        first = rows[0]
        languages = tuple(dict.fromkeys(row["language"] for row in rows))
        places = {(row["language"], row["first_layer"], row["second_layer"]): _value(row) for row in rows}
        shape = (1 + max(row["first_layer"] for row in rows), 1 + max(row["second_layer"] for row in rows))
        every = np.array([[[places[c, i, j] for j in range(shape[1])] for i in range(shape[0])] for c in languages])
        layers = tuple(dict.fromkeys((row["first_layer"], row["second_layer"]) for row in rows if row["matched"]))
        return cls(first["first"], first["second"], languages, layers, every, first["n"], first["signature"])


@dataclass(frozen=True)
class BetweenLanguages:
    """CKA of the languages of one model, by layer (J, Figure 2)."""

    model: str
    languages: tuple[str, ...]
    values: Array
    """(1 + layers, languages, languages)."""
    n: int
    signature: str

    def rows(self) -> list[dict[str, Any]]:
        """One row a layer and pair of languages."""
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
        """What gave these rows."""
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
    """CKA of one model's states with nothing but the logarithm of each sentence's length in tokens.

    What says how far any other CKA of them may be about length, which translations share: near 1 where the model adds
    learned positions and their mean outweighs the words.
    """

    model: str
    languages: tuple[str, ...]
    values: Array
    """(1 + layers, languages)."""
    n: int
    signature: str

    def rows(self) -> list[dict[str, Any]]:
        """One row a layer and language."""
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
        """What gave these rows."""
        codes = tuple(dict.fromkeys(row["language"] for row in rows))
        values = np.array([_value(row) for row in rows]).reshape(-1, len(codes))
        return cls(rows[0]["model"], codes, values, rows[0]["n"], rows[0]["signature"])


def compare_with_length(states: LayerStates, settings: SimilaritySettings | None = None) -> WithLength:
    """CKA of every layer and language with the sentences' lengths. Raises InputError where nobody counted these."""
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
        first: What the layers of the figure are counted in.
        second: Of the same sentences in the same languages.
        settings: None takes the defaults.
        relative_depth: Set each layer of the first against the one of the second that lies as deep in proportion,
            where their depths differ.

    Raises:
        InputError: where sentences or languages differ, or the depths do and ``relative_depth`` is not set.
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
    """CKA of every two languages at every layer. Raises InputError for fewer than two languages."""
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
