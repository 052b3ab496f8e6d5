"""Dropout without a stored mask, compiled by Numba: a hash of seed and position decides what to drop, and is computed
again in the backward pass. PyTorch's dropout draws random numbers sequentially on one core."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xlgen.kernels.numba_parts import array, compiled, dropped_below, f32, is_kept, key_of, read, rounded
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import share

_ROW = 1024


@compiled
def _drop(begin: int, end: int, states: Array, dropped: int, larger: float, seed: int, out: Array) -> None:
    for r in range(begin, end):
        row, to, key = states[r * _ROW : (r + 1) * _ROW], out[r * _ROW : (r + 1) * _ROW], key_of(seed, r)
        for s in range(len(row)):
            to[s] = rounded(read(row[s]) * larger if is_kept(key, s, dropped) else f32(0), to[s])


def drop(states: Tensor, probability: float, seed: int) -> Tensor:
    """Zero a share ``probability`` of ``states``, the same for equal seeds; scale the rest by 1 / (1 - probability)."""
    out = torch.empty(states.shape, dtype=states.dtype)
    given = array(states.contiguous().view(-1)), dropped_below(probability), f32(1 / (1 - probability)), np.int32(seed)
    found = array(out.view(-1))
    share(-(-states.numel() // _ROW), lambda first, last, _: _drop(first, last, *given, found))
    return out
