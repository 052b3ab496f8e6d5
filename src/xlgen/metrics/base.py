"""The metric interface: a metric scores examples one by one and lists the values that it reports."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import Registry

Prepared = TypeVar("Prepared")
Scores: TypeAlias = NDArray[np.float64]
"""One score per example, NaN if undefined; for a metric with ``of_sums``, one row of statistics per example."""


@dataclass(frozen=True)
class Example:
    """One output and the data that it is scored against."""

    language: str
    """The target language, in any spelling that ``Language.parse`` knows."""
    prediction: str
    """The output after clean-up."""
    references: tuple[str, ...] = ()
    input: str | None = None
    raw_prediction: str | None = None
    """The output before clean-up, if known."""
    truncated: bool | None = None
    """Whether generation ended at the length limit; None if unknown."""
    similarity: float | None = None
    """Cosine of the encoder states of the input and of its translation in the source language, if known."""
    group: str | None = None
    """Id of the examples that are ranked together, such as the query of a document."""

    def __post_init__(self) -> None:
        # A bare string is a sequence too: each of its characters would pass for a reference.
        if isinstance(self.references, str):
            raise TypeError(f"references must be a tuple of texts, not one text; write ({self.references!r},)")


@dataclass(frozen=True)
class MetricSpec:
    """One value that a metric reports, and how to read it."""

    name: str
    unit: Literal["percent", "count"] = "percent"
    """For ``percent``, the scores of examples are shares in [0, 1] and the value is their mean times 100."""
    higher_is_better: bool | None = True
    """None if neither direction is better, as for a length."""
    best: float | None = None
    """The value of a prediction that equals its reference; None if that value has no meaning."""
    corpus: Callable[[Scores], float] | None = None
    """Computes the unscaled value from the scores of at least one example, without NaN. None for their mean. The result
    must not depend on the order of the scores."""
    units: Callable[[Scores], Scores] | None = None
    """Maps the scores of examples, without NaN, to the scores of groups such as queries. The groups are then averaged,
    counted and resampled in place of the examples. Their order must not depend on the order of the examples."""

    of_sums: Callable[[Scores], float] | None = None
    """Computes the unscaled value from statistics summed over all examples. ``per_example`` then returns rows of
    statistics, (examples, statistics), in place of scores. :meth:`SumsMetric.of_sums` has the metric's options."""

    @property
    def scale(self) -> float:
        """The factor from a mean of scores to the reported value."""
        return 100.0 if self.unit == "percent" else 1.0

    def of(self, scores: Scores) -> float:
        """The value from the scores of at least one example (or unit), without NaN."""
        # fsum rounds once, so that the last digit does not depend on the order of the scores.
        if self.of_sums:
            return self.of_sums(np.array([math.fsum(column) for column in scores.T])) * self.scale
        return (self.corpus(scores) if self.corpus else math.fsum(scores) / len(scores)) * self.scale


class Metric(Protocol):
    """A metric: a frozen dataclass whose fields are its options, each with a default."""

    figures: ClassVar[tuple[MetricSpec, ...]]

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """The scores by the name of each reported value, in the order of ``examples``."""
        ...

    def signature(self, language: str) -> str:
        """What else affects the values, as ``key:value`` joined by ``|``: word splitter, normalizer, models."""
        ...


@runtime_checkable
class SumsMetric(Metric, Protocol):
    """A metric whose values are computed from sums of statistics with the metric's own options."""

    def of_sums(self, figure: str, sums: Scores) -> float:
        """The unscaled value called ``figure``, from the sums of all rows of statistics."""
        ...

    def figure_signature(self, figure: str, language: str, scores: Scores) -> str:
        """:meth:`Metric.signature` for the value called ``figure`` of these examples."""
        ...


class NamingMetric(ABC):
    """Base of metrics with one score per value of an option, where the score's name contains that value."""

    @classmethod
    @abstractmethod
    def options_of(cls, figure: str) -> JsonMapping | None:
        """The options that a score's name implies; None if the name is not of this metric."""


def is_defined(scores: Scores) -> NDArray[np.bool_]:
    """Whether each example has a defined score (no NaN)."""
    missing: NDArray[np.bool_] = np.isnan(scores)
    return np.logical_not(missing if scores.ndim == 1 else missing.any(axis=1))


metrics: Registry[type[Metric]] = Registry("metric", "xlgen.metrics", "metrics")
"""Metrics, with the values and options of each."""


def best_over_references(
    examples: Sequence[Example],
    figures: Sequence[MetricSpec],
    prepare: Callable[[str, str], Prepared],
    compare: Callable[[Prepared, Prepared], Sequence[float]],
) -> dict[str, Scores]:
    """Score each prediction against its best reference, for each value separately.

    Args:
        examples: An example without references scores NaN.
        figures: The values that ``compare`` returns, in its order.
        prepare: Turns a text and its language into the form to compare; called once per text.
        compare: Turns a prediction and a reference into one score per entry of ``figures``.
    """
    scores = np.full((len(examples), len(figures)), np.nan)
    for row, example in zip(scores, examples, strict=True):
        if example.references:
            prediction = prepare(example.prediction, example.language)
            references = (prepare(reference, example.language) for reference in example.references)
            row[:] = np.max([compare(prediction, reference) for reference in references], axis=0)
    return {figure.name: scores[:, column] for column, figure in enumerate(figures)}
