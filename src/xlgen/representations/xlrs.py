"""XLRS, the cross-lingual representation similarity: the similarity of a text and its translation in the encoder.

It is the cosine of the means of the encoder's last hidden states (Li and Murray 2023, section 4 and footnote 2).
They find that finetuning on one source language raises it, and that models with a higher XLRS answer more often in the
wrong language; docs/results/findings.md reports where that holds for pocket backbones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xlgen.data.examples import EncodedExample

Key = tuple[str, tuple[int, ...]]
"""An input of the encoder: its language, since methods may differ by language, and its ids."""


def mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """The mean over tokens: (inputs, tokens, width) with 1 in ``mask`` (inputs, tokens) to (inputs, width), fp32."""
    weights = mask[:, :, None].float()
    return (states.float() * weights).sum(1) / weights.sum(1)


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """Cosines of the rows of two (inputs, width) tensors; XLRS is their mean over parallel texts."""
    return torch.cosine_similarity(first.float(), second.float(), dim=1)


class EncoderStateCollector:
    """Collects mean encoder states of inputs while they are decoded, without a pass of its own."""

    def __init__(self) -> None:
        self.of: dict[Key, Tensor] = {}
        """The states of each input, (width,), in fp32 on the CPU."""

    def __call__(self, examples: Sequence[EncodedExample], states: Tensor, mask: Tensor) -> None:
        """See :data:`xlgen.decoding.engine.Observer`."""
        found = mean_states(states, mask).cpu()
        self.of.update(zip([(example.language, example.source) for example in examples], found, strict=True))
