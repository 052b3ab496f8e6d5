"""Attention and norms of a decoding step on a CPU, compiled by Numba: one query token per row.

PyTorch's batched products of few rows are bound by memory, and write results that the next operation reads again. Here
scores stay in the cache, each beam reads only the slots of its own ancestors, and hidden columns are not read. Inputs
are distributed over PyTorch's threads; each of several engines has its own thread (``xlgen.decoding.decode``).
"""

from __future__ import annotations

import numpy as np

from xlgen.kernels.decoder_steps import CHUNK, CacheArrays
from xlgen.kernels.numba_parts import compiled, exp, f32, inlined, largest_of, read, rounded
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import share
from xlgen.kernels.tiles import COLUMNS, ROWS, matmul

# -- attention

_LANES = CHUNK
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
def _queries(joined: Array, beams: int, width: int, scale: float, own: Array) -> None:
    """Scaled queries of ``beams`` rows in fp32: (rows, >= width) to flat (beams, width)."""
    for b in range(beams):
        row, to = joined[b], own[b * width : (b + 1) * width]
        for d in range(width):
            to[d] = read(row[d]) * scale


@compiled
def past(
    start: int, stop: int, joined: Array, keys: Array, values: Array, shape: tuple[int, int], slots: Array,
    first: Array, bias: Array, distance: int, scale: float, column: int, out: Array
) -> None:  # fmt: skip
    """:func:`attend_past` for inputs from ``start`` to ``stop``, with flat ``keys`` and ``values``. ``shape`` holds
    heads and columns."""
    heads, columns = shape
    beams, width = slots.shape[1], out.shape[1]
    dim = width // heads
    rows, head_row = (beams + ROWS - 1) // ROWS * ROWS, columns * beams
    # Whole tiles of a row of keys: they begin before the first column and end after the last one.
    longest = _lanes((column + 1) * beams) + _LANES
    own, sums = np.zeros(rows * width, f32), np.empty(rows * width, f32)
    every, chances = np.empty(rows * longest, f32), np.empty(heads * beams * _lanes(column + 1), f32)
    tiled = dim % COLUMNS == 0
    for i in range(start, stop):
        begin = first[i]
        size = column + 1 - begin
        wide = _lanes(size)
        base = i * columns * beams * width
        for b in range(beams):
            row = joined[i * beams + b]
            at = base + column * beams + b
            for d in range(width):
                keys[at + d * head_row] = row[width + d]
            to = values[base + (column * beams + b) * width :]
            for d in range(width):
                to[d] = row[2 * width + d]
        _queries(joined[i * beams :], beams, width, scale, own)
        # Products with the keys of all beams, of which each beam then takes its own ancestors'.
        begins = begin * beams // COLUMNS * COLUMNS
        skipped = begin * beams - begins
        span = (skipped + size * beams + COLUMNS - 1) // COLUMNS * COLUMNS
        for h in range(heads):
            near = keys[base + h * dim * head_row + begins :]
            matmul(every, span, own[h * dim :], width, 1, near, head_row, rows, span, dim, True)
            distances = bias[h if bias.shape[0] > 1 else 0, distance + begin :]
            for b in range(beams):
                at, those = chances[(h * beams + b) * wide :], every[b * span + skipped :]
                if beams == 1:
                    for j in range(size):
                        at[j] = those[j] + read(distances[j])
                else:
                    ancestors = slots[i, b, begin:]
                    for j in range(size):
                        at[j] = those[j * beams + ancestors[j]] + read(distances[j])
                for j in range(size, wide):
                    at[j] = f32(-np.inf)
        _softmax(chances, heads * beams, wide)
        if tiled:
            span = size * beams
            every[: rows * span] = f32(0)
            for h in range(heads):
                for b in range(beams):
                    at, to, ancestors = chances[(h * beams + b) * wide :], every[b * span :], slots[i, b, begin:]
                    if beams == 1:
                        for j in range(size):
                            to[j] = at[j]
                    else:
                        for j in range(size):
                            to[j * beams + ancestors[j]] = at[j]
                seen = values[base + begin * beams * width + h * dim :]
                matmul(sums[h * dim :], width, every, span, 1, seen, width, rows, dim, span, True)
        else:
            sums[:] = f32(0)
            for b in range(beams):
                for j in range(size):
                    place = (begin + j) * beams + (slots[i, b, begin + j] if beams > 1 else 0)
                    for d in range(width):
                        weight = chances[(d // dim * beams + b) * wide + j]
                        sums[b * width + d] += weight * read(values[base + place * width + d])
        for b in range(beams):
            row, to = sums[b * width : (b + 1) * width], out[i * beams + b]
            for d in range(width):
                to[d] = rounded(row[d], to[d])


@compiled
def source(
    start: int, stop: int, query: Array, keys: Array, values: Array, heads: int, mask: Array, scale: float, out: Array
) -> None:
    """:func:`attend_source` for inputs from ``start`` to ``stop``, with flat ``keys`` and ``values``."""
    inputs, columns = mask.shape
    beams, width = len(query) // inputs, query.shape[1]
    dim = width // heads
    rows = (beams + ROWS - 1) // ROWS * ROWS
    own, sums = np.zeros(rows * width, f32), np.empty(rows * width, f32)
    scores = np.empty(rows * columns, f32)
    tiled = dim % COLUMNS == 0
    for i in range(start, stop):
        size = columns
        while size > 1 and mask[i, size - 1] == -np.inf:
            size -= 1
        wide = _lanes(size)
        _queries(query[i * beams :], beams, width, scale, own)
        for h in range(heads):
            first = (i * heads + h) * dim * columns
            for block in range(wide // _LANES):
                near = keys[(i * columns // _LANES + block) * _LANES * width + h * dim * _LANES :]
                to = scores[block * _LANES :]
                matmul(to, wide, own[h * dim :], width, 1, near, _LANES, rows, _LANES, dim, True)
            for b in range(beams):
                at, hidden = scores[b * wide : (b + 1) * wide], mask[i, :wide]
                for s in range(wide):
                    at[s] += hidden[s]
            _softmax(scores, beams, wide)
            if tiled:
                matmul(sums[h * dim :], width, scores, wide, 1, values[first:], dim, rows, dim, size, True)
                continue
            for b in range(beams):
                to = sums[b * width + h * dim : b * width + (h + 1) * dim]
                for d in range(dim):
                    to[d] = f32(0)
                for s in range(size):
                    weight, at = scores[b * wide + s], values[first + s * dim : first + (s + 1) * dim]
                    for d in range(dim):
                        to[d] += weight * read(at[d])
        for b in range(beams):
            row, to = sums[b * width : (b + 1) * width], out[i * beams + b]
            for d in range(width):
                to[d] = rounded(row[d], to[d])


def attend_past(
    joined: Array, cache: CacheArrays, layer: int, bias: Array, distance: int, column: int, scale: float
) -> Array:
    """Write one column of keys and values, and compute self-attention to this and each beam's past columns.

    ``joined`` is (rows, 3 * heads * dim): queries, keys and values; ``bias``, (heads or 1, ...), is added to the scores
    of each column, beginning with the element ``distance``. Returns (rows, heads * dim).
    """
    out = np.empty((len(joined), joined.shape[1] // 3), joined.dtype)
    own = joined, *cache.past[layer], (cache.heads, cache.columns)
    given = *own, cache.slots, cache.first, bias, distance, f32(scale), column, out
    share(len(cache.first), lambda start, stop, _: past(start, stop, *given))
    return out


def attend_source(query: Array, cache: CacheArrays, layer: int, scale: float) -> Array:
    """Compute attention to the source: (rows, heads * dim) to the same."""
    out = np.empty_like(query)
    given = query, *cache.source[layer], cache.heads, cache.source_mask, f32(scale), out
    share(len(cache.first), lambda start, stop, _: source(start, stop, *given))
    return out


# -- norms and activations


@inlined
def _add(row: Array, more: Array) -> None:
    for d in range(len(row)):
        row[d] = rounded(read(row[d]) + read(more[d]), row[d])


@compiled
def rms_norm(states: Array, added: Array, weight: Array, epsilon: float, out: Array) -> None:
    """T5's layer norm, without mean and bias: (rows, width) to the same shape.

    ``added``, of the same shape, is added to ``states`` in place before; it may also have no rows.
    """
    rows, width = states.shape
    for r in range(rows):
        row, to = states[r], out[r]
        if len(added) > 0:
            _add(row, added[r])
        total = f32(0)
        for d in range(width):
            number = read(row[d])
            total += number * number
        scale = f32(1) / np.sqrt(total / f32(width) + epsilon)
        for d in range(width):
            to[d] = rounded(read(row[d]) * scale * read(weight[d]), to[d])


@compiled
def layer_norm(states: Array, added: Array, weight: Array, bias: Array, epsilon: float, out: Array) -> None:
    """Layer norm: (rows, width) to the same shape. ``added`` as for :func:`rms_norm`."""
    rows, width = states.shape
    for r in range(rows):
        row, to = states[r], out[r]
        if len(added) > 0:
            _add(row, added[r])
        total = f32(0)
        for d in range(width):
            total += read(row[d])
        mean = total / f32(width)
        total = f32(0)
        for d in range(width):
            number = read(row[d]) - mean
            total += number * number
        scale = f32(1) / np.sqrt(total / f32(width) + epsilon)
        for d in range(width):
            to[d] = rounded((read(row[d]) - mean) * scale * read(weight[d]) + read(bias[d]), to[d])


@compiled
def gelu(states: Array) -> None:
    """The exact GELU, ``x (1 + erf(x / sqrt(2))) / 2``, of a flat array, in place.

    The error function is a quotient of polynomials in fp32, as in Eigen (``Eigen/src/Core/MathFunctionsImpl.h``).
    """
    for k in range(len(states)):
        x = read(states[k])
        z = min(max(x * f32(0.7071067811865476), f32(-4)), f32(4))
        s = z * z
        top = f32(-2.72614225801306e-10) * s + f32(2.77068142495902e-08)
        top = top * s + f32(-2.10102402082508e-06)
        top = top * s + f32(-5.69250639462346e-05)
        top = top * s + f32(-7.34990630326855e-04)
        top = top * s + f32(-2.95459980854025e-03)
        top = top * s + f32(-1.60960333262415e-02)
        bottom = f32(-1.45660718464996e-05) * s + f32(-2.13374055278905e-04)
        bottom = bottom * s + f32(-1.68282697438203e-03)
        bottom = bottom * s + f32(-7.37332916720468e-03)
        bottom = bottom * s + f32(-1.42647390514189e-02)
        states[k] = rounded(f32(0.5) * x * (f32(1) + z * top / bottom), states[k])
