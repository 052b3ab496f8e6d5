"""ROUGE's counts for a whole evaluation set at once: shared tokens, predicted tokens and reference tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from xlgen.metrics.base import Example, Scores
from xlgen.metrics.lcs import lcs_lengths, union_hits
from xlgen.metrics.ragged import Ints, Ragged
from xlgen.metrics.shared_tokens import Slots, bigram_hits, unigram_hits
from xlgen.metrics.words import Splitter

VARIANTS = ("1", "2", "L", "Lsum")

# Characters of the texts compared at once. The arrays take up to about a hundred bytes per character.
_CHARACTERS = 1_000_000


@dataclass(frozen=True)
class Counts:
    """The counts of one ROUGE variant for pairs of texts."""

    hits: Ints
    predicted: Ints
    """Number of tokens (or bigrams) of each prediction."""
    wanted: Ints
    """Number of tokens (or bigrams) of each reference."""

    @property
    def precision(self) -> Scores:
        """``hits / predicted``; 0 if ``predicted`` is 0."""
        return self.hits / np.maximum(self.predicted, 1)

    @property
    def recall(self) -> Scores:
        """``hits / wanted``; 0 if ``wanted`` is 0."""
        return self.hits / np.maximum(self.wanted, 1)

    @property
    def f1(self) -> Scores:
        """``2PR / (P + R)``; 0 without hits."""
        # Not simplified to 2 * hits / (predicted + wanted), which rounds differently from rouge_score.
        precision, recall = self.precision, self.recall
        return np.divide(2 * precision * recall, precision + recall, out=np.zeros(len(recall)), where=self.hits > 0)


def rouge_counts(
    predictions: Sequence[str],
    references: Sequence[str],
    splitter: Splitter,
    sentences: Callable[[str], list[str]],
) -> dict[str, Counts]:
    """The counts of ROUGE-1, 2, L and Lsum for each pair of prediction and reference.

    All texts are in memory as numbers at once; :func:`best_f1` calls this in blocks.
    """
    numbers: dict[str, int] = {}
    pairs = [[numbers.setdefault(text, len(numbers)) for text in side] for side in (predictions, references)]
    whole, parts, lengths = _tokens(list(numbers), splitter, sentences)
    left, right = (np.array(side, dtype=np.int64) for side in pairs)
    texts = Slots.of(whole.take(left), whole.take(right))
    summaries = texts if splitter.by_sentence else Slots.of(parts.take(left), parts.take(right))
    hits = (
        unigram_hits(texts),
        bigram_hits(texts),
        lcs_lengths(texts),
        union_hits(summaries, lengths.take(left), lengths.take(right)),
    )
    tokens, bigrams, lines = whole.lengths, np.maximum(whole.lengths - 1, 0), parts.lengths
    totals = (tokens, bigrams, tokens, lines)
    return {
        variant: Counts(found, total[left], total[right])
        for variant, found, total in zip(VARIANTS, hits, totals, strict=True)
    }


def _tokens(
    texts: Sequence[str], splitter: Splitter, sentences: Callable[[str], list[str]]
) -> tuple[Ragged, Ragged, Ragged]:
    """Tokens of each text as numbers, tokens of its sentences one after another, and lengths of its sentences."""
    split = [sentences(text) for text in texts]
    units = [sentence for text in split for sentence in text]
    if not splitter.by_sentence:
        units += texts
    tokens = splitter.numbers(units)
    count = len(units) - (0 if splitter.by_sentence else len(texts))
    of = np.repeat(np.arange(len(texts)), [len(text) for text in split])
    lengths = tokens.lengths[:count]
    spoken = lengths > 0
    sums = np.bincount(of, weights=lengths, minlength=len(texts)).astype(np.int64)
    parts = Ragged.of(tokens.values[: tokens.starts[count]], sums)
    whole = parts if splitter.by_sentence else tokens.take(np.arange(count, len(units)))
    return whole, parts, Ragged.of(lengths[spoken], np.bincount(of[spoken], minlength=len(texts)))


@runtime_checkable
class Counting(Protocol):
    """A metric that can report precision and recall in addition to F1."""

    def counts(self, predictions: Sequence[str], references: Sequence[str], language: str) -> dict[str, Counts]:
        """The counts of every pair of prediction and reference, by the name of the value."""
        ...


def best_f1(
    examples: Sequence[Example],
    splitter: Callable[[str], Splitter],
    sentences: Callable[[str], Callable[[str], list[str]]],
) -> dict[str, Scores]:
    """F1 in [0, 1] of each variant against the best reference for that variant; NaN without references.

    Args:
        examples: Examples in any languages.
        splitter: The splitter of a language.
        sentences: The sentence splitter of a language.
    """
    scores = {variant: np.full(len(examples), np.nan) for variant in VARIANTS}
    for language in dict.fromkeys(example.language for example in examples):
        pairs = (
            (row, example.prediction, reference)
            for row, example in enumerate(examples)
            if example.language == language
            for reference in example.references
        )
        for block in _blocks(pairs):
            rows, predictions, references = zip(*block, strict=True)
            counts = rouge_counts(predictions, references, splitter(language), sentences(language))
            for variant, found in counts.items():
                np.fmax.at(scores[variant], list(rows), found.f1)
    return scores


def _blocks(pairs: Iterable[tuple[int, str, str]]) -> Iterator[list[tuple[int, str, str]]]:
    """The pairs in lists of about ``_CHARACTERS`` characters; a longer pair is a separate list."""
    block: list[tuple[int, str, str]] = []
    size = 0
    for pair in pairs:
        more = len(pair[1]) + len(pair[2])
        if block and size + more > _CHARACTERS:
            yield block
            block, size = [], 0
        block.append(pair)
        size += more
    if block:
        yield block
