"""I.i.d. denoising, T5's baseline objective: each token is masked independently (Raffel et al. 2020, section 3.1.4).

It is one of the seven unsupervised tasks of Vu et al. (2022, section 3.1).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import pairwise

from pydantic import Field

from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample
from xlgen.data.objectives import Codec, Objective, ObjectiveOptions, Passage, objectives
from xlgen.data.objectives.span_corruption import dropped_spans, span_corruption


class IidDenoisingOptions(ObjectiveOptions):
    """Options of i.i.d. denoising. T5 masked 15 % of tokens."""

    noise_density: float = Field(default=0.15, gt=0, lt=1)
    """Share of the tokens to mask."""
    sentinels: bool = True
    """False removes the masked tokens without a sentinel, for backbones that have no sentinels. mT5 has 100 of them,
    enough for 512 tokens at 15 %. In a longer text with more masked runs, 99 random runs are masked."""


def iid_spans(length: int, noise_density: float, rng: random.Random) -> list[tuple[int, int]]:
    """(start, end) of the runs of masked tokens, where each token is masked with probability ``noise_density``.

    At least one token is masked, unless ``length`` is 0, since an empty target teaches nothing.
    """
    hidden = [rng.random() < noise_density for _ in range(length)]
    if hidden and not any(hidden):
        hidden[rng.randrange(length)] = True
    edges = [position for position, (a, b) in enumerate(pairwise((False, *hidden, False))) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


@objectives.register("iid_denoising")
class IidDenoising(Objective[IidDenoisingOptions]):
    """Mask single tokens and predict them; neighboring masked tokens share a sentinel."""

    Options = IidDenoisingOptions

    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One corrupted passage. As in T5, a last sentinel in the target represents the text after the last span."""
        ids = self.tokens(passage, codec)
        spans = iid_spans(len(ids), self.options.noise_density, rng)
        if not self.options.sentinels:
            return self.encoded(codec, *dropped_spans(ids, spans), passage.language)
        try:
            source, target = _with_sentinels(ids, spans, codec)
        except InputError:
            if (most := _most_sentinels(codec, len(spans))) < 2:
                raise
            source, target = _with_sentinels(ids, sorted(rng.sample(spans, most - 1)), codec)
        return self.encoded(codec, source, target, passage.language)


def _with_sentinels(ids: Sequence[int], spans: Sequence[tuple[int, int]], codec: Codec) -> tuple[list[int], list[int]]:
    has_text_after = not spans or spans[-1][1] < len(ids)
    return span_corruption(ids, spans, codec.sentinels(len(spans) + has_text_after))


def _most_sentinels(codec: Codec, wanted: int) -> int:
    """The number of sentinels of the backbone, at most ``wanted``."""
    least, most = 0, wanted
    while least < most:
        middle = (least + most + 1) // 2
        try:
            least = len(codec.sentinels(middle))
        except InputError:
            most = middle - 1
    return least
