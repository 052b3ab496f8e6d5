"""F1 of one classification label, such as that of paraphrases: the binary F1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.accuracy import compared
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.packed import pack, sums


def _f1(scores: Scores) -> float:
    right, found, wanted = sums(scores)
    return 2 * right / (found + wanted) if found + wanted else 0.0


@metrics.register("label_f1")
@dataclass(frozen=True)
class LabelF1:
    """F1 of ``label`` over all outputs together, in percent; case, spaces and sentinels do not count.

    Equal to scikit-learn's ``f1_score(gold, predicted, pos_label=label, zero_division=0)``. Li and Murray (2023, Table
    2) use F1 for PAWS-X.
    """

    label: str = "yes"
    """The label that counts as positive."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("label_f1", corpus=_f1),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Whether the label is correct, predicted and expected, packed; NaN without a reference."""
        return {"label_f1": np.array([self._packed(example) for example in examples], dtype=float)}

    def _packed(self, example: Example) -> float:
        if not example.references:
            return np.nan
        found, wanted = (
            compared(text, example.language) == compared(self.label, example.language)
            for text in (example.prediction, example.references[0])
        )
        return pack(found and wanted, found, wanted)

    def signature(self, language: str) -> str:
        """How labels are compared, and the label."""
        return f"norm:case,spaces,sentinels|label:{self.label.replace('|', '/')}"
