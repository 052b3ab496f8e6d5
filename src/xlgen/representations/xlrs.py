"""XLRS, the cross-lingual representation similarity: how alike an encoder makes a text and its translation.

The cosine of the means of the encoder's last hidden states over tokens (Li and Murray 2023, section 4 and footnote 2).
They find that finetuning on one source language raises it, and that the higher it is, the more a model answers in the
wrong language; docs/results/findings.md says where that holds on pocket backbones.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from xlgen.data.examples import EncodedExample

Key = tuple[str, tuple[int, ...]]
"""An input as the encoder sees it: its language, by which a method may differ, and its ids."""


def mean_states(states: Tensor, mask: Tensor) -> Tensor:
    """The mean over tokens: (inputs, tokens, width) with 1 in ``mask`` (inputs, tokens) to (inputs, width), fp32."""
    weights = mask[:, :, None].float()
    return (states.float() * weights).sum(1) / weights.sum(1)


def similarities(first: Tensor, second: Tensor) -> Tensor:
    """Cosine of each row of two (inputs, width); XLRS is the mean of them over parallel texts."""
    return torch.cosine_similarity(first.float(), second.float(), dim=1)


class EncoderStateCollector:
    """Collects what inputs are to the encoder while they are decoded, which costs no pass of their own."""

    def __init__(self) -> None:
        self.of: dict[Key, Tensor] = {}
        """(width,), fp32, on the CPU."""

    def __call__(self, examples: Sequence[EncodedExample], states: Tensor, mask: Tensor) -> None:
        """See :data:`xlgen.decoding.engine.Observer`."""
        found = mean_states(states, mask).cpu()
        self.of.update(zip([(example.language, example.source) for example in examples], found, strict=True))
