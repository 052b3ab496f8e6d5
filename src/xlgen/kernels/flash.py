"""Attention and its gradients in one pass over blocks of queries, compiled by Numba (Dao et al. 2022, FlashAttention).

Scores exist for one block of queries at a time, in the cache of one core. The backward pass recomputes them from each
row's maximum and sum. Unlike the library's fused attention on CPUs, it supports a trained bias such as T5's, and
products are in fp32 even for bf16 states.

Shapes: ``query`` is (batch, heads, target, dim); ``key`` and ``value`` are (batch, heads, source, dim), all with any
strides. ``bias`` and ``mask`` are added to scores, in fp32: (batch or 1, heads or 1, target or 1, source). Outputs and
their gradients are (batch, target, heads, dim).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from torch import Tensor

from xlgen.kernels.numba_parts import (
    array,
    compiled,
    dropped_below,
    exp,
    f32,
    inlined,
    is_kept,
    key_of,
    largest_of,
    read,
    rounded,
)
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import parts_of, share
from xlgen.kernels.tiles import COLUMNS, ROWS, matmul

Sizes: TypeAlias = tuple[int, int, int, int]
"""Items of the batch, queries and keys of each, and numbers per head."""
Strides: TypeAlias = tuple[int, int, int]
"""Distances in a flat array: of items, of tokens and of heads."""

_BLOCK = 64
"""The largest number of queries at a time: their scores for 1,000 tokens take a quarter of a megabyte."""
_HIDDEN = -1e30
"""Mask values below this hide a key."""


@inlined
def _filled(size: int, whole: int) -> int:
    return (size + whole - 1) // whole * whole


@inlined
def _block(length: int) -> int:
    """The number of queries at a time: ``length`` in equal parts, each a multiple of ROWS."""
    parts = (length + _BLOCK - 1) // _BLOCK
    size: int = _filled((length + parts - 1) // parts, ROWS)
    return size


@compiled
def _laid_out(states: Array, start: int, step: int, n: int, dim: int, scale: float, out: Array, row: int) -> None:
    """Copy n rows of ``dim`` numbers, ``step`` apart from ``start``, into rows of ``row`` numbers, in fp32."""
    for s in range(n):
        given, at = states[start + s * step : start + s * step + dim], out[s * row : s * row + dim]
        for d in range(dim):
            at[d] = read(given[d]) * scale


@compiled
def _turned(states: Array, start: int, step: int, n: int, dim: int, out: Array, row: int) -> None:
    """Copy n rows like :func:`_laid_out`, but transposed."""
    for s in range(n):
        given = states[start + s * step : start + s * step + dim]
        for d in range(dim):
            out[d * row + s] = read(given[d])


@compiled
def _stored(states: Array, row: int, scale: float, out: Array, start: int, step: int, n: int, dim: int) -> None:
    """Copy rows of ``row`` numbers back to n rows of ``dim`` numbers, ``step`` apart from ``start``."""
    for s in range(n):
        at, to = states[s * row : s * row + dim], out[start + s * step : start + s * step + dim]
        for d in range(dim):
            to[d] = rounded(at[d] * scale, to[d])


@compiled
def _add_biases(scores: Array, size: int, near: Array, shown: Array) -> None:
    """Add bias and mask to the scores of one query; set scores after the first ``size`` to minus infinity."""
    for s in range(size):
        scores[s] += near[s] + shown[s]
    scores[size:] = f32(-np.inf)


@inlined
def _row(matrix: Array, t: int) -> Array:
    """The row of a bias or mask for one query."""
    row: Array = matrix[t if matrix.shape[0] > 1 else 0]
    return row


@inlined
def _of(tensor: Array, b: int, h: int) -> Array:
    """The part of a bias or mask for one item and head."""
    part: Array = tensor[b if tensor.shape[0] > 1 else 0, h if tensor.shape[1] > 1 else 0]
    return part


@compiled
def _shown(mask: Array) -> int:
    """The number of keys, without those at the end that are hidden from every query."""
    size: int = mask.shape[1]
    while size > 1 and mask.shape[0] == 1 and mask[0, size - 1] < _HIDDEN:
        size -= 1
    return size


@compiled
def _forward(
    begin: int, end: int, sizes: Sizes, query: Array, of_q: Strides, key: Array, of_k: Strides, value: Array,
    of_v: Strides, bias: Array, mask: Array, scale: float, dropout: float, dropped: int, seed: int, out: Array,
    of_o: Strides, reduced: Array
) -> None:  # fmt: skip
    batch, length, keys, dim = sizes
    block, deep = _block(length), _filled(dim, COLUMNS)
    wide = _filled(keys, COLUMNS)
    q, o = np.zeros(block * deep, f32), np.empty(block * deep, f32)
    turned, v = np.zeros(dim * wide, f32), np.zeros(wide * deep, f32)
    scores = np.empty(block * wide, f32)
    for item in range(begin, end):
        h, b = item // batch, item % batch
        near, shown = _of(bias, b, h), _of(mask, b, h)
        size = _shown(shown)
        wide = _filled(size, COLUMNS)
        _turned(key, b * of_k[0] + h * of_k[2], of_k[1], size, dim, turned, wide)
        _laid_out(value, b * of_v[0] + h * of_v[2], of_v[1], size, dim, f32(1), v, deep)
        for first in range(0, length, block):
            count = min(block, length - first)
            rows = _filled(count, ROWS)
            _laid_out(query, b * of_q[0] + first * of_q[1] + h * of_q[2], of_q[1], count, dim, scale, q, deep)
            matmul(scores, wide, q, deep, 1, turned, wide, rows, wide, dim, True)
            for t in range(count):
                row, total = scores[t * wide : (t + 1) * wide], f32(0)
                _add_biases(row, size, _row(near, first + t), _row(shown, first + t))
                top = largest_of(row)
                for s in range(wide):
                    chance = exp(row[s] - top)
                    row[s] = chance
                    total += chance
                reduced[b, h, first + t, 0], reduced[b, h, first + t, 1] = top, f32(1) / total
                if dropout > 0:
                    row_key, larger = key_of(seed, item * length + first + t), f32(1) / (f32(1) - dropout)
                    for s in range(wide):
                        row[s] *= larger if is_kept(row_key, s, dropped) else f32(0)
            matmul(o, deep, scores, wide, 1, v, deep, rows, deep, size, True)
            to = b * of_o[0] + first * of_o[1] + h * of_o[2]
            for t in range(count):
                at = o[t * deep : (t + 1) * deep]
                _stored(at, deep, reduced[b, h, first + t, 1], out, to + t * of_o[1], of_o[1], 1, dim)


@compiled
def _backward(
    begin: int, end: int, sizes: Sizes, query: Array, of_q: Strides, key: Array, of_k: Strides, value: Array,
    of_v: Strides, bias: Array, mask: Array, scale: float, dropout: float, dropped: int, seed: int, out: Array,
    of_o: Strides, reduced: Array, gradient: Array, dq: Array, of_dq: Strides, dk: Array, of_dk: Strides, dv: Array,
    of_dv: Strides, of_bias: Array
) -> None:  # fmt: skip
    batch, length, keys, dim = sizes
    block, deep = _block(length), _filled(dim, COLUMNS)
    wide = _filled(keys, COLUMNS)
    q, g, o = np.zeros(block * deep, f32), np.zeros(block * deep, f32), np.empty(block * deep, f32)
    k, turned, turned_values = np.zeros(wide * deep, f32), np.zeros(dim * wide, f32), np.zeros(dim * wide, f32)
    chances, changes = np.zeros(block * wide, f32), np.zeros(block * wide, f32)
    sum_k, sum_v = np.empty(wide * deep, f32), np.empty(wide * deep, f32)
    for item in range(begin, end):
        h, b = item // batch, item % batch
        near, shown = _of(bias, b, h), _of(mask, b, h)
        size = _shown(shown)
        wide = _filled(size, COLUMNS)
        _laid_out(key, b * of_k[0] + h * of_k[2], of_k[1], size, dim, f32(1), k, deep)
        _turned(key, b * of_k[0] + h * of_k[2], of_k[1], size, dim, turned, wide)
        _turned(value, b * of_v[0] + h * of_v[2], of_v[1], size, dim, turned_values, wide)
        for first in range(0, length, block):
            count = min(block, length - first)
            rows = _filled(count, ROWS)
            at_out = b * of_o[0] + first * of_o[1] + h * of_o[2]
            _laid_out(query, b * of_q[0] + first * of_q[1] + h * of_q[2], of_q[1], count, dim, scale, q, deep)
            _laid_out(gradient, at_out, of_o[1], count, dim, f32(1), g, deep)
            # P = softmax(Q K^T + bias) and dP = dO V^T
            matmul(chances, wide, q, deep, 1, turned, wide, rows, wide, dim, True)
            for t in range(count):
                row = chances[t * wide : (t + 1) * wide]
                _add_biases(row, size, _row(near, first + t), _row(shown, first + t))
                top, share_of = reduced[b, h, first + t, 0], reduced[b, h, first + t, 1]
                for s in range(wide):
                    row[s] = exp(row[s] - top) * share_of
            matmul(changes, wide, g, deep, 1, turned_values, wide, rows, wide, dim, True)
            # dS = P * (dP - sum(dO * O)), with dropped elements of dP and P set to zero
            for t in range(count):
                row, at = chances[t * wide : (t + 1) * wide], changes[t * wide : (t + 1) * wide]
                place = at_out + t * of_o[1]
                upstream, found, total = gradient[place : place + dim], out[place : place + dim], f32(0)
                for d in range(dim):
                    total += read(upstream[d]) * read(found[d])
                if dropout > 0:
                    row_key, larger = key_of(seed, item * length + first + t), f32(1) / (f32(1) - dropout)
                    for s in range(wide):
                        kept = larger if is_kept(row_key, s, dropped) else f32(0)
                        at[s] = row[s] * (at[s] * kept - total)
                        row[s] *= kept
                else:
                    for s in range(wide):
                        at[s] = row[s] * (at[s] - total)
                if len(of_bias):
                    to = of_bias[h, first + t]
                    for s in range(size):
                        to[s] += at[s]
            # dV += P^T dO
            matmul(sum_v, deep, chances, 1, wide, g, deep, wide, deep, count, first == 0)
            # dQ = dS K and dK += dS^T Q
            matmul(o, deep, changes, wide, 1, k, deep, rows, deep, size, True)
            _stored(o, deep, scale, dq, b * of_dq[0] + first * of_dq[1] + h * of_dq[2], of_dq[1], count, dim)
            matmul(sum_k, deep, changes, 1, wide, q, deep, wide, deep, count, first == 0)
        for place in range(size * deep, _filled(keys, COLUMNS) * deep):  # hidden keys get no gradient
            sum_k[place] = sum_v[place] = f32(0)
        _stored(sum_k, deep, f32(1), dk, b * of_dk[0] + h * of_dk[2], of_dk[1], keys, dim)
        _stored(sum_v, deep, f32(1), dv, b * of_dv[0] + h * of_dv[2], of_dv[1], keys, dim)


@dataclass(frozen=True)
class FlashSettings:
    """Settings of an attention call."""

    scale: float
    """Factor of the scores."""
    dropout: float = 0.0
    """Dropout probability of the attention weights."""
    seed: int = 0
    """Dropout seed: signed, 32 bits."""

    def numbers(self) -> tuple[np.float32, np.float32, np.int32, np.int32]:
        """The settings as arguments for compiled code."""
        return f32(self.scale), f32(self.dropout), dropped_below(self.dropout), np.int32(self.seed)


def forward(
    query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor, settings: FlashSettings
) -> tuple[Tensor, Tensor]:
    """``softmax(query key^T * scale + bias + mask) value``, and the softmax statistics of each row.

    Returns (batch, target, heads, dim) and, for :func:`backward`, (batch, heads, target, 2): each row's largest score
    and the reciprocal of its sum.
    """
    batch, heads, length, dim = query.shape
    size = key.shape[2]
    biases = all(t.shape[-1] == size and t.shape[2] in (1, length) and t.dtype == torch.float32 for t in (bias, mask))
    if not (key.shape == value.shape == (batch, heads, size, dim) and biases):
        shapes = [tuple(each.shape) for each in (query, key, value, bias, mask)]
        raise ValueError(f"query, key, value, bias and mask do not fit: {shapes}")  # compiled code does not check
    out, reduced = query.new_empty((batch, length, heads, dim)), torch.empty((batch, heads, length, 2))
    given = (*_inputs((query, key, value, bias, mask)), *settings.numbers(), *_flat(out.transpose(1, 2)))
    share(batch * heads, lambda first, last, _: _forward(first, last, *given, array(reduced)))
    return out, reduced


def backward(
    given: Sequence[Tensor], settings: FlashSettings, out: Tensor, reduced: Tensor, gradient: Tensor, needs_bias: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """Gradients of query, key and value, in their shapes, and of a bias if ``needs_bias``: (1, heads, target, source).

    ``given`` are the five input tensors of :func:`forward`; ``out`` and ``gradient`` are contiguous, (batch, target,
    heads, dim).
    """
    query, key = given[:2]
    batch, heads, length, _ = query.shape
    found = [torch.empty_like(states.transpose(1, 2), memory_format=torch.contiguous_format) for states in given[:3]]
    # One sum per thread; untouched pages take no memory.
    of_bias = torch.zeros((parts_of(batch * heads), heads if needs_bias else 0, length, key.shape[2]))
    results = [part for each in found for part in _flat(each.transpose(1, 2))]
    arrays = (
        *_inputs(given), *settings.numbers(), *_flat(out.transpose(1, 2)), array(reduced), array(gradient.view(-1)),
        *results
    )  # fmt: skip
    share(batch * heads, lambda first, last, part: _backward(first, last, *arrays, of_bias[part].numpy()))
    of_query, of_key, of_value = (each.transpose(1, 2) for each in found)
    return of_query, of_key, of_value, of_bias.sum(0, keepdim=True) if needs_bias else None


def _inputs(given: Sequence[Tensor]) -> tuple[Sizes | Strides | Array, ...]:
    """Query, key, value, bias and mask as arguments for compiled code."""
    query, key = given[:2]
    sizes = query.shape[0], query.shape[2], key.shape[2], query.shape[3]
    return (sizes, *(part for states in given[:3] for part in _flat(states)), *map(array, given[3:]))


def _flat(states: Tensor) -> tuple[Array, Strides]:
    """The memory of (batch, heads, tokens, dim) as a flat array, and the distances of items, tokens and heads in it.

    Numba compiles a version for each layout of an array. Flat arrays have one layout, and their slices are contiguous,
    so that loops over them are vectorized.
    """
    if states.stride(-1) != 1:
        states = states.contiguous()
    item, head, token, _ = states.stride()
    size = 1 + sum((size - 1) * step for size, step in zip(states.shape, states.stride(), strict=True))
    return array(states.as_strided((max(size, 0),), (1,))), (item, token, head)
