"""Denoising, mBART's pretraining objective: infill masked spans and restore sentence order (Liu et al. 2020)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from pydantic import Field

from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.sentences import sentence_ends
from xlgen.data.objectives.spans import noise_spans


class DenoisingOptions(ObjectiveOptions):
    """Options of denoising. mBART masked 35 % of tokens in spans of 3.5 (Poisson)."""

    noise_density: float = Field(default=0.35, gt=0, lt=1)
    """Share of the tokens to mask."""
    mean_span_length: float = Field(default=3.5, ge=1)
    """Mean length of the masked spans, in tokens."""
    permute_sentences: bool = False
    """Shuffle the sentences of the input, as in mBART. Sentences are the corpus's own or end at sentence marks."""


def text_infilling(ids: Sequence[int], spans: Sequence[tuple[int, int]], mask: int) -> list[int]:
    """Replace each span of ``ids`` with one mask token: ``a b c d`` with span (1, 3) gives ``a <mask> d``."""
    source: list[int] = []
    position = 0
    for start, end in spans:
        source += [*ids[position:start], mask]
        position = end
    return source + list(ids[position:])


def permuted(ids: Sequence[int], ends: Sequence[int], order: Sequence[int]) -> list[int]:
    """Reorder the parts of ``ids`` that end at ``ends`` by ``order``; tokens after the last end stay in place."""
    parts = [ids[start:end] for start, end in pairwise((0, *ends))]
    return [token for number in order for token in parts[number]] + list(ids[ends[-1] if ends else 0 :])


@objectives.register("denoising")
class Denoising(Objective[DenoisingOptions]):
    """Mask spans and predict the whole passage; source and target have the backbone's language codes, if any."""

    Options = DenoisingOptions

    @property
    def takes_any_tokens(self) -> bool:
        """False if sentences are shuffled."""
        return not self.options.permute_sentences

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example: the corrupted passage as source, the original as target."""
        ids = self.tokens(passage, codec)
        shown = ids
        if self.options.permute_sentences:
            ends = sentence_ends(passage, ids, codec)
            shown = permuted(ids, ends, rng.sample(range(len(ends)), len(ends)))
        spans = noise_spans(len(shown), self.options.noise_density, self.options.mean_span_length, rng)
        return self.encoded(codec, text_infilling(shown, spans, codec.mask()), ids, passage.language)
