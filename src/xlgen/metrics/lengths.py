"""Lengths of predictions and references in words, which show a model that stops too early or too late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.words import splitter


@metrics.register("lengths")
@dataclass(frozen=True)
class LengthMetric:
    """Number of words per prediction and per reference.

    Texts are split by :func:`xlgen.metrics.words.splitter`. With several references, their mean length counts; without
    any, the score is NaN.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("prediction_length", unit="count", higher_is_better=None),
        MetricSpec("reference_length", unit="count", higher_is_better=None),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Numbers of words."""
        predictions = [_length(example.prediction, example.language) for example in examples]
        references = [_mean([_length(text, each.language) for text in each.references]) for each in examples]
        return {"prediction_length": np.array(predictions, dtype=float), "reference_length": np.array(references)}

    def signature(self, language: str) -> str:
        """The word splitter."""
        return f"tok:{splitter(language).name}"


def _length(text: str, language: str) -> int:
    return len(splitter(language).split(text))


def _mean(lengths: list[int]) -> float:
    return sum(lengths) / len(lengths) if lengths else float("nan")
