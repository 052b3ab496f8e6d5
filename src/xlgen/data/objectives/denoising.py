"""Denoising, mBART's pretraining objective: infill masked spans (Liu et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pydantic import Field

from xlgen.config import Config
from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, Passage, objectives
from xlgen.data.objectives.spans import noise_spans


class DenoisingOptions(Config):
    """mBART masked 35 % in spans of 3.5 (Poisson)."""

    noise_density: float = Field(default=0.35, gt=0, lt=1)
    mean_span_length: float = Field(default=3.5, ge=1)
    max_tokens: int = Field(default=512, ge=4)


def text_infilling(ids: Sequence[int], spans: Sequence[tuple[int, int]], mask: int) -> list[int]:
    """Each span of ``ids`` gives way to one mask token: ``a b c d`` with span (1, 3) gives ``a <mask> d``."""
    source: list[int] = []
    position = 0
    for start, end in spans:
        source += [*ids[position:start], mask]
        position = end
    return source + list(ids[position:])


@objectives.register("denoising")
class Denoising(Objective):
    """Hide spans, predict the whole passage; language codes on both sides come from the codec."""

    Options = DenoisingOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One corrupted passage and its original."""
        ids = codec.pieces(passage.text)[: self.options.max_tokens]
        spans = noise_spans(len(ids), self.options.noise_density, self.options.mean_span_length, rng)
        source = codec.source(text_infilling(ids, spans, codec.mask()), passage.language)
        return EncodedExample(source, codec.target(ids, passage.language), passage.language)
