"""What a metric is: it looks at examples one by one and says which figures it gives."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from xlgen.core.registry import Registry

Prepared = TypeVar("Prepared")
Scores: TypeAlias = NDArray[np.float64]
"""One score an example, NaN where the figure is not defined for it; of a figure ``of_sums`` a row an example."""


@dataclass(frozen=True)
class Example:
    """One output and what it is judged by."""

    language: str
    """The target language, in any spelling that ``Language.parse`` knows."""
    prediction: str
    """The output after clean-up."""
    references: tuple[str, ...] = ()
    input: str | None = None
    raw_prediction: str | None = None
    """The output before clean-up, where it is known."""
    truncated: bool | None = None
    """Whether generation ended at the length limit; None where nobody says."""
    similarity: float | None = None
    """The cosine of the encoder's states of the input and of its translation in the source language, where known."""
    group: str | None = None
    """What it is ranked with, such as the query that it is a document of."""

    def __post_init__(self) -> None:
        # A bare string is a sequence too: each of its characters would pass for a reference.
        if isinstance(self.references, str):
            raise TypeError(f"references must be a tuple of texts, not one text; write ({self.references!r},)")


@dataclass(frozen=True)
class MetricSpec:
    """One number that a metric gives, and how to read it."""

    name: str
    unit: Literal["percent", "count"] = "percent"
    """Scores of a ``percent`` figure are shares in [0, 1] for each example; the figure itself is times 100."""
    higher_is_better: bool | None = True
    """None where neither direction is better, as for a length."""
    best: float | None = None
    """The figure of a prediction that is its own reference; None where that tells nothing."""
    corpus: Callable[[Scores], float] | None = None
    """The figure from the scores of at least one example, without NaN and not yet scaled, where it is not their mean.
    It must not mind their order."""
    units: Callable[[Scores], Scores] | None = None
    """What is averaged, counted and drawn again in place of the examples, where they belong together: from their scores
    without NaN a score for each query. The order of what it gives does not depend on the examples'."""

    of_sums: Callable[[Scores], float] | None = None
    """The figure, not yet scaled, from the sums over all examples of what ``per_example`` then gives: not a score an
    example but a row of statistics, (examples, statistics). :meth:`SumsMetric.of_sums` knows the metric's options."""

    @property
    def scale(self) -> float:
        """What a mean of scores is multiplied by."""
        return 100.0 if self.unit == "percent" else 1.0

    def of(self, scores: Scores) -> float:
        """The figure from the scores of at least one example (or unit), which hold no NaN."""
        # fsum rounds once, so that the order of the scores does not show in the last digit.
        if self.of_sums:
            return self.of_sums(np.array([math.fsum(column) for column in scores.T])) * self.scale
        return (self.corpus(scores) if self.corpus else math.fsum(scores) / len(scores)) * self.scale


class Metric(Protocol):
    """A metric: a frozen dataclass whose fields are its options, each with a default."""

    figures: ClassVar[tuple[MetricSpec, ...]]

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """The scores of every figure, by its name, in the order of ``examples``."""
        ...

    def signature(self, language: str) -> str:
        """What else decides the figures, as ``key:value`` joined by ``|``: word splitter, normaliser, models."""
        ...


@runtime_checkable
class SumsMetric(Metric, Protocol):
    """A metric whose figures come from sums of statistics, by options of its own."""

    def of_sums(self, figure: str, sums: Scores) -> float:
        """The value of ``figure``, not yet scaled, from the sums of all rows of statistics."""
        ...

    def figure_signature(self, figure: str, language: str, scores: Scores) -> str:
        """:meth:`Metric.signature` for one figure of these examples."""
        ...


class NamingMetric(ABC):
    """Base of metrics with a score for each value of an option: the name of the score says the value."""

    @classmethod
    @abstractmethod
    def options_of(cls, figure: str) -> Mapping[str, Any] | None:
        """The options that the name of a score implies; None for a name of another kind."""


def is_defined(scores: Scores) -> NDArray[np.bool_]:
    """Which examples define a figure."""
    missing: NDArray[np.bool_] = np.isnan(scores)
    return np.logical_not(missing if scores.ndim == 1 else missing.any(axis=1))


metrics: Registry[type[Metric]] = Registry("metric", "xlgen.metrics")


def best_over_references(
    examples: Sequence[Example],
    figures: Sequence[MetricSpec],
    prepare: Callable[[str, str], Prepared],
    compare: Callable[[Prepared, Prepared], Sequence[float]],
) -> dict[str, Scores]:
    """Score each prediction against its best reference, figure by figure.

    Args:
        examples: An example without references scores NaN.
        figures: What ``compare`` gives, in its order.
        prepare: Text and language to whatever is compared; called once a text.
        compare: Prediction and reference to one score a figure.
    """
    scores = np.full((len(examples), len(figures)), np.nan)
    for row, example in zip(scores, examples, strict=True):
        if example.references:
            prediction = prepare(example.prediction, example.language)
            references = (prepare(reference, example.language) for reference in example.references)
            row[:] = np.max([compare(prediction, reference) for reference in references], axis=0)
    return {figure.name: scores[:, column] for column, figure in enumerate(figures)}
