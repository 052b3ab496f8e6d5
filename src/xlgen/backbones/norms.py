"""T5's layer norm with its way back, compiled by Numba: each way reads what it needs once.

Rows are shared among as many threads as PyTorch has.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from xlgen.backbones.compiled import array, compiled, f32, read, rounded


@compiled
def _forward(first: int, last: int, states: Any, weight: Any, epsilon: float, out: Any, scales: Any) -> None:
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
    first: int, last: int, states: Any, weight: Any, scales: Any, gradient: Any, of_states: Any, of_weight: Any
) -> None:
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
    """``states / sqrt(mean(states ** 2) + epsilon) * weight`` of (rows, width), and what rows were multiplied by."""
    rows = len(states)
    out, scales = torch.empty(states.shape, dtype=dtype), torch.empty(rows)
    given = array(states), array(weight)
    found = array(out), array(scales)
    _shared(rows, lambda first, last, _: _forward(first, last, *given, f32(epsilon), *found))
    return out, scales


def backward(states: Tensor, weight: Tensor, scales: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of states and weight."""
    rows = len(states)
    of_states = torch.empty_like(states)
    of_weight = torch.zeros((len(_shares(rows)), len(weight)))
    given = [array(each) for each in (states, weight, scales, gradient, of_states)]
    _shared(rows, lambda first, last, part: _backward(first, last, *given, of_weight[part].numpy()))
    return of_states, of_weight.sum(0)


def _shares(rows: int) -> list[tuple[int, int]]:
    """(first, last) of each thread."""
    threads = max(1, min(torch.get_num_threads(), rows))
    edges = [rows * number // threads for number in range(threads + 1)]
    return list(pairwise(edges))


def _shared(rows: int, work: Callable[[int, int, int], None]) -> None:
    """Share ``rows`` among threads; this one takes the first part."""
    shares = _shares(rows)
    others = [_threads().submit(work, *share, part) for part, share in enumerate(shares[1:], 1)]
    work(*shares[0], 0)
    for other in others:
        other.result()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="xlgen")
