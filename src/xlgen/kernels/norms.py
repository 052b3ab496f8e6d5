"""T5's layer norm with its backward pass, compiled by Numba; each pass reads its inputs once.

Rows are distributed over PyTorch's threads.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xlgen.kernels.numba_parts import array, compiled, f32, read, rounded
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import parts_of, share


@compiled
def _forward(first: int, last: int, states: Array, weight: Array, epsilon: float, out: Array, scales: Array) -> None:
    width = states.shape[1]
    for r in range(first, last):
        row, to = states[r], out[r]
        total = f32(0)
        for d in range(width):
            number = read(row[d])
            total += number * number
        scale = f32(1) / np.sqrt(total / f32(width) + epsilon)
        scales[r] = scale
        for d in range(width):
            to[d] = rounded(read(row[d]) * scale * weight[d], to[d])


@compiled
def _backward(
    first: int, last: int, states: Array, weight: Array, scales: Array, gradient: Array, of_states: Array,
    of_weight: Array
) -> None:  # fmt: skip
    width = states.shape[1]
    for r in range(first, last):
        row, g, to, scale = states[r], gradient[r], of_states[r], scales[r]
        total = f32(0)
        for d in range(width):
            normed = read(row[d]) * scale
            of_weight[d] += read(g[d]) * normed
            total += read(g[d]) * weight[d] * normed
        total /= f32(width)
        for d in range(width):
            to[d] = rounded((read(g[d]) * weight[d] - read(row[d]) * scale * total) * scale, to[d])


def forward(states: Tensor, weight: Tensor, epsilon: float, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """``states / sqrt(mean(states ** 2) + epsilon) * weight`` for (rows, width), and the scale of each row: (rows,)."""
    rows = len(states)
    out, scales = torch.empty(states.shape, dtype=dtype), torch.empty(rows)
    given = array(states), array(weight)
    found = array(out), array(scales)
    share(rows, lambda first, last, _: _forward(first, last, *given, f32(epsilon), *found))
    return out, scales


def backward(states: Tensor, weight: Tensor, scales: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients of states and weight."""
    rows = len(states)
    of_states = torch.empty_like(states)
    of_weight = torch.zeros((parts_of(rows), len(weight)))
    given = [array(each) for each in (states, weight, scales, gradient, of_states)]
    share(rows, lambda first, last, part: _backward(first, last, *given, of_weight[part].numpy()))
    return of_states, of_weight.sum(0)
