"""Sampling: ancestral, with temperature, the k most probable tokens, or a nucleus (Holtzman et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from xlgen.core.config import Sampling


def warp(logits: Tensor, sampling: Sampling) -> Tensor:
    """Logits of what may be drawn, the others at minus infinity: temperature, then top-k, then top-p, as
    ``transformers`` orders them. (rows, vocabulary) to the same.
    """
    logits = logits / sampling.temperature
    if sampling.top_k is not None:
        least = logits.topk(min(sampling.top_k, logits.shape[-1]))[0][:, -1:]
        logits = logits.masked_fill(logits < least, -torch.inf)
    if sampling.top_p < 1:
        descending, order = logits.sort(descending=True)
        chances = descending.softmax(-1)
        # A token is in the nucleus while those before it have less than top_p; the first one always is.
        outside = chances.cumsum(-1) - chances >= sampling.top_p
        logits = logits.masked_fill(outside.scatter(1, order, outside), -torch.inf)
    return logits


def draw(logits: Tensor, uniform: Tensor) -> Tensor:
    """One token a row by inversion: (rows, vocabulary) and (rows,) of numbers in [0, 1) to (rows,)."""
    # In double, for the sum runs over a quarter of a million small numbers.
    cumulated = logits.softmax(-1, dtype=torch.float64).cumsum(-1)
    wanted = uniform.double()[:, None] * cumulated[:, -1:]
    return torch.searchsorted(cumulated, wanted, right=True)[:, 0].clamp(max=logits.shape[-1] - 1)


def uniforms(seed: int, keys: Sequence[int], samples: int, steps: int) -> Tensor:
    """A number in [0, 1) for each input, sample and step: (inputs, samples, steps).

    They depend on the input's key alone, and not on its place, its batch or its process, so that a sample can be drawn
    again.
    """
    # NumPy mixes both numbers; PyTorch's generator on the CPU looks at 32 bits of its seed only.
    drawn = [np.random.default_rng((seed, key)).random((samples, steps), dtype=np.float32) for key in keys]
    return torch.from_numpy(np.stack(drawn))
