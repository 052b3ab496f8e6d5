"""SP-ROUGE: ROUGE over SentencePiece's pieces, for any language alike (Vu et al. 2022, section 2.1)."""

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
    """SP-ROUGE-1/2/L/Lsum F1 in percent against the best reference; ``sp_rougeLsum`` is what the paper reports.

    The figures of ``rouge_score`` 0.1.2 given the same tokenizer. The paper names no sentence rule for Lsum; the T5
    library, with which it was computed, has ``t5``, and data sets with one sentence a line need ``newline``.
    """

    tokenizer: str = "google/mt5-small"
    """A SentencePiece .model, a tokenizer.json, a folder with either, or a name of the hub; mT5's 250,000 pieces."""
    sentences: SentenceRule = "newline"
    """What ends a sentence for ``sp_rougeLsum``: see :func:`xlgen.metrics.sentences.sentences`."""

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
        """Each figure's hits and totals for every prediction beside its reference: precision and recall."""
        found = rouge_counts(predictions, references, self.splitter(language), sentences(self.sentences, language))
        return {f"sp_rouge{variant}": counts for variant, counts in found.items()}

    def signature(self, language: str) -> str:
        """Vocabulary and sentence rule."""
        return f"tok:{subword_splitter(self.tokenizer).name}|sent:{self.sentences}"

    def splitter(self, language: str) -> Splitter:
        """The pieces that are compared, the same for every language."""
        return subword_splitter(self.tokenizer)
