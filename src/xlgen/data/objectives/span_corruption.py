"""Span corruption, mT5's pretraining objective (Raffel et al. 2020; V, Table 8)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

from pydantic import Field

from xlgen.config import Config
from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, Passage, objectives
from xlgen.data.objectives.spans import noise_spans, principal_sentences, sentence_spans, sentences_to_hide
from xlgen.data.readers import DataError


class SpanCorruptionOptions(Config):
    """mT5 used 15 % in spans of 3."""

    noise_density: float = Field(default=0.15, gt=0, lt=1)
    mean_span_length: float = Field(default=3.0, ge=1)
    unit: Literal["tokens", "sentences"] = "tokens"
    """``sentences`` hides whole sentences and ignores ``mean_span_length``: a small model then learns to write a
    sentence from its first word on."""
    principal: bool = False
    """Hide the sentences that tell most of what the others tell (Zhang et al. 2020, PEGASUS), not any ones."""
    sentinels: bool = True
    """False hides spans without a mark, and the target is the bare text (Raffel et al. 2020, section 3.3.1, "drop
    corrupted tokens"): the source then looks like that of a task, where nothing says what is to be written."""
    max_tokens: int = Field(default=512, ge=4)
    """Longer passages lose their end."""


def span_corruption(
    ids: Sequence[int], spans: Sequence[tuple[int, int]], sentinels: Sequence[int]
) -> tuple[list[int], list[int]]:
    """Each span of ``ids`` gives way to a sentinel; the target lists each sentinel with the tokens it hides.

    ``a b c d e`` with spans (1, 3) and (4, 5) gives ``a <0> d <1>`` and ``<0> b c <1> e``.
    """
    source: list[int] = []
    target: list[int] = []
    position = 0
    for (start, end), sentinel in zip(spans, sentinels, strict=True):
        source += [*ids[position:start], sentinel]
        target += [sentinel, *ids[start:end]]
        position = end
    return source + list(ids[position:]), target


def sentence_ends(passage: Passage, ids: Sequence[int], codec: Codec) -> list[int]:
    """The position in ``ids`` after each sentence; an end that falls within a piece, or is cut off, is left out.

    Raises DataError where the corpus does not tell its sentences.
    """
    if not passage.sentences:
        raise DataError("span corruption with unit: sentences needs a corpus that gives `sentences`; use unit: tokens")
    ends, position = [], 0
    for sentence in passage.sentences:
        position = passage.text.index(sentence, position) + len(sentence)
        before = codec.pieces(passage.text[:position])
        if list(ids[: len(before)]) == before:
            ends.append(len(before))
    return ends


def dropped_spans(ids: Sequence[int], spans: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """What is left of ``ids`` without ``spans``, and what they held: ``a c e`` and ``b d``."""
    hidden = {position for start, end in spans for position in range(start, end)}
    return (
        [token for position, token in enumerate(ids) if position not in hidden],
        [token for position, token in enumerate(ids) if position in hidden],
    )


@objectives.register("span_corruption")
class SpanCorruption(Objective):
    """Hide spans, predict them."""

    Options = SpanCorruptionOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One corrupted passage."""
        options = self.options
        ids = codec.pieces(passage.text)[: options.max_tokens]
        if options.unit == "sentences":
            spans = self._whole_sentences(ids, sentence_ends(passage, ids, codec), rng)
        else:
            spans = noise_spans(len(ids), options.noise_density, options.mean_span_length, rng)
        if options.sentinels:
            source, target = span_corruption(ids, spans, codec.sentinels(len(spans)))
        else:
            source, target = dropped_spans(ids, spans)
        language = passage.language
        return EncodedExample(codec.source(source, language), codec.target(target, language), language)

    def _whole_sentences(self, ids: Sequence[int], ends: Sequence[int], rng: random.Random) -> list[tuple[int, int]]:
        count = sentences_to_hide(len(ends), self.options.noise_density)
        if not self.options.principal:
            return sentence_spans(ends, sorted(rng.sample(range(len(ends)), count)))
        sentences = [ids[start:end] for start, end in pairwise((0, *ends))]
        return sentence_spans(ends, principal_sentences(sentences, count, rng))
