"""Accuracy of classification labels that are generated as text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.core.languages import Language
from xlgen.metrics.base import Example, MetricSpec, Scores, best_over_references, metrics
from xlgen.metrics.case import has_dotless_i, one_dot
from xlgen.metrics.normalization import fold_case

SENTINEL = re.compile(r"<extra_id_\d+>")


def bare(text: str) -> str:
    """``text`` without mT5's sentinels, with single spaces."""
    return " ".join(SENTINEL.sub(" ", text).split())


def compared(text: str, language: str) -> str:
    """``text`` in the form to compare: without sentinels and case. In Turkish, I, İ, i and ı are equal."""
    label = bare(text)
    return fold_case(one_dot(label)) if has_dotless_i(Language.parse(language).code) else label.casefold()


@metrics.register("accuracy")
@dataclass(frozen=True)
class Accuracy:
    """Share of outputs that equal the label, in percent; case, spaces and sentinels do not count."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("accuracy", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0; NaN without a reference."""
        return best_over_references(examples, self.figures, compared, lambda text, label: (float(text == label),))

    def signature(self, language: str) -> str:
        """How labels are compared."""
        return "norm:case,spaces,sentinels"
