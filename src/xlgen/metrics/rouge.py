"""ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004), equal to ``rouge_score`` for English and sound for every other language."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from rapidfuzz.distance import LCSseq

from xlgen.metrics.base import Example, Figure, Scores, best_over_references, plugins
from xlgen.metrics.words import porter_stem, splitter


def f_measure(hits: int, predicted: int, wanted: int) -> float:
    """F1 = 2PR / (P + R) with P = hits / predicted and R = hits / wanted; 0 where there are no hits."""
    if not hits:
        return 0.0
    # Not simplified to 2 * hits / (predicted + wanted), which rounds differently from rouge_score.
    precision, recall = hits / predicted, hits / wanted
    return 2 * precision * recall / (precision + recall)


def ngram_f1(prediction: Sequence[str], reference: Sequence[str], order: int) -> float:
    """F1 over n-grams, each counted as often as it occurs in both. In [0, 1]; 0 where either has none.

    Lin 2004, "ROUGE: A Package for Automatic Evaluation of Summaries", section 2.
    """
    predicted = Counter(zip(*(prediction[start:] for start in range(order)), strict=False))
    wanted = Counter(zip(*(reference[start:] for start in range(order)), strict=False))
    return f_measure((predicted & wanted).total(), predicted.total(), wanted.total())


def lcs_f1(prediction: Sequence[str], reference: Sequence[str]) -> float:
    """F1 over the longest common subsequence of words. In [0, 1]; 0 where either is empty.

    Lin 2004, section 3.1, with beta = 1 as in ``rouge_score``.
    """
    # Numbers for words: rapidfuzz would compare hashes of the words.
    numbers: dict[str, int] = {}
    left, right = ([numbers.setdefault(word, len(numbers)) for word in text] for text in (prediction, reference))
    return f_measure(LCSseq.similarity(left, right), len(prediction), len(reference))


@plugins.register("rouge")
@dataclass(frozen=True)
class Rouge:
    """ROUGE-1/2/L F1 in percent against the best reference (the best for each figure, as ``score_multi`` takes it).

    For English without stemming and with it, the figures of ``rouge_score`` 0.1.2; for other languages the same
    formulas over the words of :func:`xlgen.metrics.words.splitter`. Text without a single word scores 0.
    """

    use_stemmer: bool = False
    """Porter's stemmer, for English only; the signature says ``stem:no`` for other languages."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("rouge1", best=100.0),
        Figure("rouge2", best=100.0),
        Figure("rougeL", best=100.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1]; NaN without references."""
        return best_over_references(examples, self.figures, self._words, _compare)

    def signature(self, language: str) -> str:
        """Word splitter and stemmer."""
        return f"tok:{splitter(language).name}|stem:{'porter' if self._stems(language) else 'no'}"

    def _stems(self, language: str) -> bool:
        return self.use_stemmer and splitter(language).name == "rouge-score"

    def _words(self, text: str, language: str) -> list[str]:
        words = splitter(language).split(text)
        return [porter_stem(word) for word in words] if self._stems(language) else words


def _compare(prediction: list[str], reference: list[str]) -> tuple[float, float, float]:
    return ngram_f1(prediction, reference, 1), ngram_f1(prediction, reference, 2), lcs_f1(prediction, reference)
