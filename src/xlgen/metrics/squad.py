"""F1 and exact match of SQuAD 1.1 (Rajpurkar et al. 2016), which XTREME and mT5 report for XQuAD in every language."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.metrics.base import Example, MetricSpec, Scores, best_over_references, metrics
from xlgen.metrics.normalization import Normalization, normalizer, signed
from xlgen.metrics.rouge import f_measure

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize(text: str) -> str:
    """SQuAD 1.1's normal form: lower case, no ASCII punctuation, no English articles, single spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def f1(prediction: str, reference: str) -> float:
    """F1 over the words of two normalized answers, in [0, 1]; 0 if either has none, as in ``evaluate-v1.1.py``."""
    predicted, wanted = prediction.split(), reference.split()
    hits = (Counter(predicted) & Counter(wanted)).total()
    return f_measure(hits, len(predicted), len(wanted))


@metrics.register("squad")
@dataclass(frozen=True)
class Squad:
    """SQuAD 1.1 F1 and exact match in percent, each against its best reference.

    The rules are English for every language, and words are separated by spaces: in Chinese or Thai, F1 is nearly exact
    match. Published XQuAD scores use these rules; ``mlqa`` is the metric with language-specific rules.
    """

    normalization: Normalization = "none"
    """Unicode normalization before SQuAD's own. The official script has none; ``nmt_nfkc`` compares answers as mT5,
    mBART-50 and NLLB-200 write them."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("squad_f1", best=100.0), MetricSpec("squad_em", best=100.0))

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1], and 1 for an exact match, else 0; NaN without references."""
        form = normalizer(self.normalization)
        return best_over_references(examples, self.figures, lambda text, _: normalize(form(text)), _compare)

    def signature(self, language: str) -> str:
        """The normaliser, which is the same for all languages."""
        return signed("norm:squad-1.1", self.normalization)


def _compare(prediction: str, reference: str) -> tuple[float, float]:
    return f1(prediction, reference), float(prediction == reference)
