"""F1 of named entities written as text, ``PER: Ada Lovelace $$ LOC: London``, as in mT5 and Vu et al. (2022)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.metrics.accuracy import bare
from xlgen.metrics.base import Example, MetricSpec, Scores, best_over_references, metrics
from xlgen.metrics.rouge import f_measure


@metrics.register("spans")
@dataclass(frozen=True)
class Spans:
    """F1 of spans with their types, in percent, averaged over inputs; repeated spans count repeatedly.

    The span F1 of mT5 and of Vu et al. (2022) is over the spans of all inputs together: see ``span_f1`` of ``entities``
    with ``form: spans``.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("mean_span_f1", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1], 1 if neither the output nor the reference has a span; NaN without a reference."""
        return best_over_references(examples, self.figures, lambda text, _: _spans(text), _compare)

    def signature(self, language: str) -> str:
        """How spans are separated and averaged."""
        return "sep:$$|average:inputs"


def _spans(text: str) -> Counter[str]:
    return Counter(filter(None, map(bare, text.split("$$"))))


def _compare(found: Counter[str], wanted: Counter[str]) -> tuple[float]:
    if not found and not wanted:
        return (1.0,)
    return (f_measure((found & wanted).total(), found.total(), wanted.total()),)
