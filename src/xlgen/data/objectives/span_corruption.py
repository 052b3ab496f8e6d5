"""Span corruption, mT5's pretraining objective (Raffel et al. 2020; V, Table 8)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pydantic import Field

from xlgen.config import Config
from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, Passage, objectives
from xlgen.data.objectives.spans import noise_spans


class SpanCorruptionOptions(Config):
    """mT5 used 15 % in spans of 3."""

    noise_density: float = Field(default=0.15, gt=0, lt=1)
    mean_span_length: float = Field(default=3.0, ge=1)
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


@objectives.register("span_corruption")
class SpanCorruption(Objective):
    """Hide spans, predict them."""

    Options = SpanCorruptionOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One corrupted passage."""
        ids = codec.pieces(passage.text)[: self.options.max_tokens]
        spans = noise_spans(len(ids), self.options.noise_density, self.options.mean_span_length, rng)
        source, target = span_corruption(ids, spans, codec.sentinels(len(spans)))
        language = passage.language
        return EncodedExample(codec.source(source, language), codec.target(target, language), language)
