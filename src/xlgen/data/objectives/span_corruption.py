"""Span corruption, mT5's pretraining objective (Raffel et al. 2020; Vu et al. 2022, Table 8)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Literal

from pydantic import Field

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.sentences import iter_sentence_ends, sentence_ends
from xlgen.data.objectives.spans import noise_spans, principal_sentences, sentence_spans, sentences_to_hide


class SpanCorruptionOptions(ObjectiveOptions):
    """Options of span corruption. mT5 masked 15 % of tokens in spans of 3."""

    noise_density: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens or sentences to mask."""
    mean_span_length: float = Field(default=3.0, ge=1)
    """Mean length of the masked spans, in tokens."""
    unit: Literal["tokens", "sentences"] = "tokens"
    """``sentences`` masks whole sentences and ignores ``mean_span_length``: a small model then learns to write a
    sentence from its first word on."""
    principal: bool = False
    """Mask the sentences with the highest overlap with the rest (Zhang et al. 2020, PEGASUS), not random ones."""
    sentinels: bool = True
    """False removes spans without a sentinel, and the target is plain text (Raffel et al. 2020, section 3.3.1, "drop
    corrupted tokens"): the source then resembles that of a task, which has no sentinels."""


def span_corruption(
    ids: Sequence[int], spans: Sequence[tuple[int, int]], sentinels: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Replace each span of ``ids`` with a sentinel; the target has each sentinel followed by its tokens.

    ``a b c d e`` with spans (1, 3) and (4, 5) gives ``a <0> d <1>`` and ``<0> b c <1> e``. One more sentinel than spans
    is appended to the target, and represents the text after the last span.
    """
    source: list[int] = []
    target: list[int] = []
    position = 0
    for (start, end), sentinel in zip(spans, sentinels[: len(spans)], strict=True):
        source += [*ids[position:start], sentinel]
        target += [sentinel, *ids[start:end]]
        position = end
    return source + list(ids[position:]), [*target, *sentinels[len(spans) :]]


def dropped_spans(ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """The tokens of ``ids`` outside and inside ``spans``: ``a c e`` and ``b d``."""
    hidden = {position for start, end in spans for position in range(start, end)}
    return (
        [token for position, token in enumerate(ids) if position not in hidden],
        [token for position, token in enumerate(ids) if position in hidden],
    )


@objectives.register("span_corruption")
class SpanCorruption(Objective[SpanCorruptionOptions]):
    """Mask spans and predict them."""

    Options = SpanCorruptionOptions
    least_tokens = 2

    @property
    def takes_any_tokens(self) -> bool:
        """False if whole sentences are masked."""
        return bool(self.options.unit == "tokens")

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Whether there are two tokens, or two whole sentences after truncation, so that one remains in the source."""
        if self.options.unit == "tokens":
            return super().fits(passage, codec)
        ids = codec.tokenize(passage.text)[: self.options.max_tokens]
        return len(list(islice(iter_sentence_ends(passage, ids, codec), 2))) == 2

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One corrupted passage."""
        options = self.options
        ids = self.tokens(passage, codec)
        if options.unit == "sentences":
            spans = self._whole_sentences(ids, sentence_ends(passage, ids, codec), rng)
        else:
            spans = noise_spans(len(ids), options.noise_density, options.mean_span_length, rng)
        if options.sentinels:
            source, target = span_corruption(ids, spans, codec.sentinels(len(spans)))
        else:
            source, target = dropped_spans(ids, spans)
        return self.encoded(codec, source, target, passage.language)

    def _whole_sentences(self, ids: Sequence[int], ends: Sequence[int], rng: random.Random) -> list[tuple[int, int]]:
        count = sentences_to_hide(len(ends), self.options.noise_density)
        if not self.options.principal:
            return sentence_spans(ends, sorted(rng.sample(range(len(ends)), count)))
        sentences = [ids[start:end] for start, end in pairwise((0, *ends))]
        return sentence_spans(ends, principal_sentences(sentences, count, rng))
