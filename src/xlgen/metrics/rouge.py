"""ROUGE: words, word pairs and word sequences that a prediction shares with a reference (Lin 2004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.normalization import Normalization, normalizer, signed
from xlgen.metrics.rouge_counts import Counts, best_f1, rouge_counts
from xlgen.metrics.sentences import SentenceRule, sentences
from xlgen.metrics.words import Segmenter, Splitter, porter_stem, splitter


def f_measure(hits: int, predicted: int, wanted: int) -> float:
    """F1 = 2PR / (P + R) with P = hits / predicted and R = hits / wanted; 0 without hits."""
    if not hits:
        return 0.0
    # Not simplified to 2 * hits / (predicted + wanted), which rounds differently from rouge_score.
    precision, recall = hits / predicted, hits / wanted
    return 2 * precision * recall / (precision + recall)


@metrics.register("rouge")
@dataclass(frozen=True)
class Rouge:
    """ROUGE-1/2/L/Lsum F1 in percent, each against its best reference (``rouge_score``'s ``score_multi``).

    For English, with or without stemming, the scores equal those of ``rouge_score`` 0.1.2. For other languages, the
    same formulas use the words of :func:`xlgen.metrics.words.splitter`. Text without words scores 0.

    - ``rouge1``, ``rouge2``: words and pairs of neighboring words, each counted as often as both texts have it
      (section 2).
    - ``rougeL``: the longest common subsequence of the texts (section 3.1), ignoring newlines.
    - ``rougeLsum``: the union of the longest common subsequences of each sentence of the reference with every sentence
      of the prediction (section 3.2). No word is counted more often than both texts have it. For two single sentences,
      it equals ``rougeL``. It is not symmetric.
    """

    use_stemmer: bool = False
    """Porter's stemmer, for English only; the signature says ``stem:no`` for other languages."""
    segmenter: Segmenter = "characters"
    """``dictionary`` finds words in Chinese, Japanese and Thai (needs the extra ``segmenters``)."""
    sentences: SentenceRule = "newline"
    """How ``rougeLsum`` splits sentences: at newlines (``newline``), also at sentence marks of any script (``marks``),
    or also at a full stop between two spaces, as in the T5 library (``t5``)."""
    normalization: Normalization = "none"
    """Unicode normalization of each sentence before it is split. Words of languages other than English are always in
    NFKC; ``nmt_nfkc`` also treats invisible characters as mT5, mBART-50 and NLLB-200 do."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("rouge1", best=100.0),
        MetricSpec("rouge2", best=100.0),
        MetricSpec("rougeL", best=100.0),
        MetricSpec("rougeLsum", best=100.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1]; NaN without references."""
        found = best_f1(examples, self.splitter, lambda language: sentences(self.sentences, language))
        return {f"rouge{variant}": scores for variant, scores in found.items()}

    def counts(self, predictions: Sequence[str], references: Sequence[str], language: str) -> dict[str, Counts]:
        """Hits and totals of each variant for every pair of prediction and reference, for precision and recall."""
        found = rouge_counts(predictions, references, self.splitter(language), sentences(self.sentences, language))
        return {f"rouge{variant}": counts for variant, counts in found.items()}

    def signature(self, language: str) -> str:
        """Word splitter, stemmer and sentence rule."""
        split = splitter(language, self.segmenter)
        stem = "porter" if self._stems(split) else "no"
        return signed(f"tok:{split.name}|stem:{stem}|sent:{self.sentences}", self.normalization)

    def splitter(self, language: str) -> Splitter:
        """The word splitter of a language, with the metric's normalization and stemming."""
        split = splitter(language, self.segmenter)
        if self.normalization == "none" and not self._stems(split):
            return split
        form, stem = normalizer(self.normalization), porter_stem if self._stems(split) else str
        return Splitter(split.name, lambda text: [stem(word) for word in split.split(form(text))], split.by_sentence)

    def _stems(self, split: Splitter) -> bool:
        return self.use_stemmer and split.name == "rouge-score"
