"""SP-ROUGE: ROUGE over SentencePiece tokens, the same for every language (Vu et al. 2022, section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.pieces import subword_splitter
from xlgen.metrics.rouge_counts import Counts, best_f1, rouge_counts
from xlgen.metrics.sentences import SentenceRule, sentences
from xlgen.metrics.words import Splitter


@metrics.register("sp_rouge")
@dataclass(frozen=True)
class SpRouge:
    """SP-ROUGE-1/2/L/Lsum F1 in percent against the best reference; Vu et al. (2022) report
    ``sp_rougeLsum``.

    The scores equal those of ``rouge_score`` 0.1.2 with the same tokenizer. The paper states no sentence rule for Lsum.
    The T5 library, which computed it, uses ``t5``; datasets with one sentence per line need ``newline``.
    """

    tokenizer: str = "google/mt5-small"
    """A SentencePiece .model, a tokenizer.json, a folder with either, or a name on the Hub. The default is mT5's."""
    sentences: SentenceRule = "newline"
    """How ``sp_rougeLsum`` splits sentences: at newlines (``newline``), also at sentence marks of any script
    (``marks``), or also at a full stop between two spaces, as in the T5 library (``t5``)."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("sp_rouge1", best=100.0),
        MetricSpec("sp_rouge2", best=100.0),
        MetricSpec("sp_rougeL", best=100.0),
        MetricSpec("sp_rougeLsum", best=100.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """F1 in [0, 1]; NaN without references."""
        found = best_f1(examples, self.splitter, lambda language: sentences(self.sentences, language))
        return {f"sp_rouge{variant}": scores for variant, scores in found.items()}

    def counts(self, predictions: Sequence[str], references: Sequence[str], language: str) -> dict[str, Counts]:
        """Hits and totals of each variant for every pair of prediction and reference, for precision and recall."""
        found = rouge_counts(predictions, references, self.splitter(language), sentences(self.sentences, language))
        return {f"sp_rouge{variant}": counts for variant, counts in found.items()}

    def signature(self, language: str) -> str:
        """Vocabulary and sentence rule."""
        return f"tok:{subword_splitter(self.tokenizer).name}|sent:{self.sentences}"

    def splitter(self, language: str) -> Splitter:
        """The splitter into subword tokens, the same for every language."""
        return subword_splitter(self.tokenizer)
