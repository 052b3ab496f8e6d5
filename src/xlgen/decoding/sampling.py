"""Sampling: ancestral, with temperature, top-k, or top-p (Holtzman et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xlgen.core.config import Sampling


def warp(logits: Tensor, sampling: Sampling) -> Tensor:
    """Apply temperature, then top-k, then top-p, in the order of ``transformers``.

    Returns logits of the same shape, (rows, vocabulary), with excluded tokens at minus infinity.
    """
    logits = logits / sampling.temperature
    if sampling.top_k is not None:
        least = logits.topk(min(sampling.top_k, logits.shape[-1]))[0][:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        descending, order = logits.sort(descending=True)
        chances = descending.softmax(-1)
        # A token is in the nucleus while those before it have less than top_p; the first token always is.
        outside = chances.cumsum(-1) - chances >= sampling.top_p
        logits = logits.masked_fill(outside.scatter(1, order, outside), -torch.inf)
    return logits


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """Draw one token per row by inversion: (rows, vocabulary) and (rows,) of numbers in [0, 1) to (rows,)."""
    # In double precision, since the sum is over a quarter of a million small numbers.
    cumulated = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    wanted = uniform.double()[:, None] * cumulated[:, -1:]
    return torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def uniforms(seed: int, keys: Sequence[int], samples: int, steps: int) -> Tensor:
    """A number in [0, 1) for each input, sample and step: (inputs, samples, steps).

    The numbers depend only on the seed and the input's key, not on its position, batch or process, so that samples are
    reproducible.
    """
    # NumPy mixes both numbers; PyTorch's CPU generator uses only 32 bits of its seed.
    drawn = [np.random.default_rng((seed, key)).random((samples, steps), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(drawn))
