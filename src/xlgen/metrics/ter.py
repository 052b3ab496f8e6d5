"""TER, translation edit rate (Snover et al. 2006), by sacreBLEU (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import ClassVar

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.corpus import CorpusScorer, corpus_signature, once, sacrebleu, score_of, statistics


def _of_sums(sums: Scores) -> float:
    return Ter().of_sums("ter", sums)


@metrics.register("ter")
@dataclass(frozen=True)
class Ter:
    """Corpus TER in percent, edits per word of the references; lower is better, and it may exceed 100.

    This is sacreBLEU's ``corpus_score``. Words are separated by
    spaces: Chinese and Japanese need ``normalized`` and ``asian_support``, and Thai is not supported.
    """

    normalized: bool = False
    """Whether sacreBLEU's normalization and tokenization are applied."""
    no_punct: bool = False
    """Whether punctuation is removed."""
    asian_support: bool = False
    """Split Chinese and Japanese into characters, if ``normalized``."""
    case_sensitive: bool = False
    """Whether case counts."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("ter", higher_is_better=False, best=0.0, of_sums=_of_sums),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Edits and length of the references, one row per example; NaN without references."""
        return {"ter": statistics(examples, self._scorer, 2)}

    def of_sums(self, figure: str, sums: Scores) -> float:
        """TER from the sums of all rows; 1 if there are as many edits as words."""
        return score_of(self._scorer(), sums)

    def signature(self, language: str) -> str:
        """sacreBLEU's signature without the number of references."""
        return corpus_signature(self._scorer(), None)

    def figure_signature(self, figure: str, language: str, scores: Scores) -> str:
        """sacreBLEU's signature."""
        return corpus_signature(self._scorer(), scores)

    def _scorer(self, language: str = "") -> CorpusScorer:
        return once(sacrebleu().TER, *astuple(self))
