"""Attention and norms of a decoding step on a CPU, compiled by Numba: one query token per row.

PyTorch's batched products of few rows are bound by memory, and write results that the next operation reads again. Here
scores stay in the cache, each beam reads only the slots of its own ancestors, and hidden columns are not read. Inputs
are distributed over PyTorch's threads; each of several engines has its own thread (``xlgen.decoding.decode``).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from xlgen.kernels.numba_parts import array, compiled, exp, f32, inlined, largest_of, read, rounded
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import share

# -- attention

_LANES = 32
"""Rows are padded to a multiple of this, which is a multiple of the processor's vector width."""


@inlined
def _lanes(size: int) -> int:
    return (size + _LANES - 1) // _LANES * _LANES


@inlined
def _softmax(scores: Array, rows: int, size: int) -> None:
    """Softmax of ``rows`` consecutive rows of ``size`` scores, in place.

    Here and below, loops run from 0 over slices: a negative index would count from the end, and loops that check for
    this are not vectorized. Rows are padded with minus infinity to whole vectors, because the remainder would not be
    vectorized either.
    """
    for r in range(rows):
        row = scores[r * size : (r + 1) * size]
        top = largest_of(row)
        for s in range(size):
            row[s] -= top
    every = scores[: rows * size]
    for s in range(rows * size):
        every[s] = exp(every[s])
    for r in range(rows):
        row = scores[r * size : (r + 1) * size]
        total = f32(0)
        for s in range(size):
            total += row[s]
        total = f32(1) / total
        for s in range(size):
            row[s] *= total


@compiled
def _past(
    start: int, stop: int, query: Array, key: Array, value: Array, keys: Array, values: Array, slots: Array,
    first: Array, bias: Array, column: int, out: Array
) -> None:  # fmt: skip
    _, beams, heads, dim = query.shape
    scores = np.empty(beams * heads * _lanes(column + 1), f32)
    own, sums = np.empty((heads, dim), f32), np.empty((heads, dim), f32)
    for i in range(start, stop):
        begin = first[i]
        size = column + 1 - begin
        wide = _lanes(size)
        for b in range(beams):
            for h in range(heads):
                for d in range(dim):
                    keys[i, column, b, h, d] = key[i, b, h, d]
                    values[i, column, b, h, d] = value[i, b, h, d]
        for b in range(beams):
            for h in range(heads):
                for d in range(dim):
                    own[h, d] = read(query[i, b, h, d])
            for j in range(size):
                row = keys[i, begin + j, slots[i, b, begin + j] if beams > 1 else 0]
                for h in range(heads):
                    total = f32(0)
                    for d in range(dim):
                        total += own[h, d] * read(row[h, d])
                    scores[(b * heads + h) * wide + j] = total
            for h in range(heads):
                at, distances = scores[(b * heads + h) * wide :], bias[h if bias.shape[0] > 1 else 0]
                for j in range(size):
                    at[j] += read(distances[begin + j])
                at[size:wide] = f32(-np.inf)
        _softmax(scores, heads * beams, wide)
        for b in range(beams):
            sums[:] = f32(0)
            for j in range(size):
                row = values[i, begin + j, slots[i, b, begin + j] if beams > 1 else 0]
                for h in range(heads):
                    weight = scores[(b * heads + h) * wide + j]
                    for d in range(dim):
                        sums[h, d] += weight * read(row[h, d])
            for h in range(heads):
                for d in range(dim):
                    out[i, b, h, d] = rounded(sums[h, d], out[i, b, h, d])


@compiled
def _source(
    start: int, stop: int, query: Array, keys: Array, values: Array, mask: Array, scale: float, out: Array
) -> None:
    _, beams, heads, dim = query.shape
    scores = np.empty(beams * _lanes(keys.shape[2]), f32)
    own, sums = np.empty(dim, f32), np.empty(dim, f32)
    for i in range(start, stop):
        size = keys.shape[2]
        while size > 1 and mask[i, size - 1] == -np.inf:
            size -= 1
        fours, wide = size // 4 * 4, _lanes(size)
        for h in range(heads):
            k, v = keys[i, h], values[i, h]
            for b in range(beams):
                for d in range(dim):
                    own[d] = read(query[i, b, h, d]) * scale
                at = scores[b * wide :]
                # Four at a time keep the processor's multiply units busy.
                for s in range(0, fours, 4):
                    t0 = t1 = t2 = t3 = f32(0)
                    for d in range(dim):
                        t0 += own[d] * read(k[s, d])
                        t1 += own[d] * read(k[s + 1, d])
                        t2 += own[d] * read(k[s + 2, d])
                        t3 += own[d] * read(k[s + 3, d])
                    at[s], at[s + 1], at[s + 2], at[s + 3] = t0, t1, t2, t3
                for s in range(fours, size):
                    t0 = f32(0)
                    for d in range(dim):
                        t0 += own[d] * read(k[s, d])
                    at[s] = t0
                for s in range(size):
                    at[s] += mask[i, s]
                at[size:wide] = f32(-np.inf)
            _softmax(scores, beams, wide)
            for b in range(beams):
                at = scores[b * wide :]
                for d in range(dim):
                    sums[d] = f32(0)
                for s in range(0, fours, 4):
                    p0, p1, p2, p3 = at[s], at[s + 1], at[s + 2], at[s + 3]
                    for d in range(dim):
                        total = p0 * read(v[s, d]) + p1 * read(v[s + 1, d])
                        sums[d] += total + p2 * read(v[s + 2, d]) + p3 * read(v[s + 3, d])
                for s in range(fours, size):
                    for d in range(dim):
                        sums[d] += at[s] * read(v[s, d])
                for d in range(dim):
                    out[i, b, h, d] = rounded(sums[d], out[i, b, h, d])


def attend_past(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    past: tuple[Tensor, Tensor],
    slots: Tensor,
    first: Tensor,
    bias: Tensor,
    column: int,
) -> Tensor:
    """Write one column of keys and values, and compute unscaled self-attention to this and each beam's past columns.

    ``query``, ``key`` and ``value`` are (rows, 1, heads * dim); ``past`` is a pair of (inputs, columns, beams, heads,
    dim); ``slots`` is (inputs, beams, columns); ``first`` is (inputs,); ``bias``, which is added to the scores of each
    column, is (heads or 1, columns). Returns (rows, 1, heads * dim).
    """
    inputs, _, beams, heads, dim = past[0].shape
    out = torch.empty((inputs * beams, 1, heads * dim), dtype=query.dtype)
    shape = (inputs, beams, heads, dim)
    new = (tensor.view(shape) for tensor in (query, key, value))
    given = *map(array, (*new, *past, slots, first, bias)), column, array(out.view(shape))
    share(inputs, lambda start, stop, _: _past(start, stop, *given))
    return out


def attend_source(query: Tensor, source: tuple[Tensor, Tensor], mask: Tensor, scale: float) -> Tensor:
    """Compute attention to the source.

    ``query`` is (rows, 1, heads * dim); ``source`` is a pair of (inputs, heads, source, dim); ``mask`` is (inputs,
    source) with 0 or minus infinity. Returns (rows, 1, heads * dim).
    """
    inputs, heads, _, dim = source[0].shape
    shape = (inputs, -1, heads, dim)
    out = torch.empty(query.shape, dtype=query.dtype)
    given = *map(array, (query.view(shape), *source, mask.float())), f32(scale), array(out.view(shape))
    share(inputs, lambda start, stop, _: _source(start, stop, *given))
    return out


# -- norms


@compiled
def _rms_norm(states: Array, weight: Array, epsilon: float, out: Array) -> None:
    rows, width = states.shape
    for r in range(rows):
        total = f32(0)
        for d in range(width):
            number = read(states[r, d])
            total += number * number
        scale = f32(1) / np.sqrt(total / f32(width) + epsilon)
        for d in range(width):
            out[r, d] = rounded(read(states[r, d]) * scale * read(weight[d]), out[r, d])


def rms_norm(states: Tensor, weight: Tensor, epsilon: float) -> Tensor:
    """T5's layer norm, without mean and bias: (..., width) to the same shape."""
    out = torch.empty_like(states)
    width = states.shape[-1]
    _rms_norm(array(states.view(-1, width)), array(weight), f32(epsilon), array(out.view(-1, width)))
    return out
