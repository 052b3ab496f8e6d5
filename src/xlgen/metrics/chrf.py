"""chrF: F-score over n-grams of characters (Popović 2015), by sacreBLEU (Post 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Annotated, ClassVar

import numpy as np

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.bounds import ORDER, Within
from xlgen.metrics.corpus import (
    CorpusScorer,
    corpus_signature,
    once,
    sacrebleu,
    sacrebleu_version,
    score_of,
    statistics,
)

_CORPUS = "chrf_corpus"


def _of_sums(sums: Scores) -> float:
    return Chrf().of_sums(_CORPUS, sums)


@metrics.register("chrf")
@dataclass(frozen=True)
class Chrf:
    """chrF in percent against the best reference, by sacreBLEU.

    - ``chrf``: sacreBLEU's ``sentence_score``, averaged over examples.
    - ``chrf_corpus``: sacreBLEU's ``corpus_score``, from the n-grams of all examples together, with its signature. This
      is the score that papers on machine translation report.
    """

    char_order: Annotated[int, ORDER] = 6
    """Longest n-gram, in characters."""
    word_order: Annotated[int, Within(0, 100)] = 0
    """2 is chrF++ (Popović 2017)."""
    beta: Annotated[int, Within(0, 1_000)] = 2
    """Weight of recall relative to precision."""
    lowercase: bool = False
    """Whether case is ignored."""
    whitespace: bool = False
    """Whether n-grams include spaces."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("chrf", best=100.0),
        MetricSpec(_CORPUS, best=100.0, of_sums=_of_sums),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Scores in [0, 1], and rows of n-gram counts; NaN without references."""
        rows = statistics(examples, self._scorer, 3 * (self.char_order + self.word_order))
        scores = [np.nan if np.isnan(row[0]) else self.of_sums(_CORPUS, row) for row in rows]
        return {"chrf": np.array(scores, dtype=float), _CORPUS: rows}

    def of_sums(self, figure: str, sums: Scores) -> float:
        """chrF in [0, 1] from the sums of all rows."""
        return score_of(self._scorer(), sums)

    def signature(self, language: str) -> str:
        """The signature of ``chrf``, averaged over examples: orders of the n-grams and sacreBLEU's version."""
        self._scorer()
        parts = [f"nc:{self.char_order}|nw:{self.word_order}|beta:{self.beta}"]
        parts += ["case:lc"] if self.lowercase else []
        parts += ["space:yes"] if self.whitespace else []
        return "|".join([*parts, "level:sentence", f"sacrebleu:{sacrebleu_version()}"])

    def figure_signature(self, figure: str, language: str, scores: Scores) -> str:
        """For ``chrf_corpus``, sacreBLEU's signature, plus ``beta`` if it is not the default."""
        if figure != _CORPUS:
            return self.signature(language)
        beta = "" if self.beta == 2 else f"|beta:{self.beta}"
        return corpus_signature(self._scorer(), scores) + beta

    def _scorer(self, language: str = "") -> CorpusScorer:
        return once(sacrebleu().CHRF, *astuple(self))
