"""Products with weights that stay the same for many calls, on one core, compiled by Numba.

A library rearranges ("packs") the weights in every call. For the few rows of a decoding step this takes long compared
with the product itself, so here it is done once. `benchmarks/products.py` compares the speed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from torch import Tensor

from xlgen.kernels.numba_parts import compiled, f32, prefetch
from xlgen.kernels.numba_types import Array
from xlgen.kernels.tiles import COLUMNS, ROWS, matmul

_BLOCK = 16 * ROWS
"""Rows at a time: with one block of columns, they fit into the cache."""


@compiled
def multiply(rows: Array, packed: Array, bias: Array, out: Array) -> None:
    """``out = rows packed + bias``: (n, depth) and flat weights to (n, size); ``bias`` may have no elements."""
    n, depth = rows.shape
    size = out.shape[1]
    x, y = rows.reshape(-1), out.reshape(-1)
    # Tiles at the edges read and write whole rows and columns of these.
    left, tile = np.zeros(ROWS * depth, f32), np.empty(ROWS * COLUMNS, f32)
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        whole = (last - first) // ROWS * ROWS
        for r in range(first + whole, last):
            for d in range(depth):
                left[(r - first - whole) * depth + d] = rows[r, d]
        for column in range(0, size, COLUMNS):
            block = packed[column * depth :]
            if column + COLUMNS <= size:
                for r in range(0, whole, ROWS):
                    to, at = y[(first + r) * size + column :], x[(first + r) * depth :]
                    matmul(to, size, at, depth, 1, block, COLUMNS, ROWS, COLUMNS, depth, True)
                    # The next weights come from memory, so they are asked for during the products with these.
                    for d in range(r * depth // whole, (r + ROWS) * depth // whole):
                        prefetch(block, (depth + d) * COLUMNS)
            begin = whole if column + COLUMNS <= size else 0
            for r in range(first + begin, last, ROWS):
                at = x[r * depth :] if r + ROWS <= last else left
                matmul(tile, COLUMNS, at, depth, 1, block, COLUMNS, ROWS, COLUMNS, depth, True)
                for k in range(min(ROWS, last - r)):
                    for c in range(min(COLUMNS, size - column)):
                        out[r + k, column + c] = tile[k * COLUMNS + c]
            if len(bias) > 0:
                for r in range(first, last):
                    for c in range(column, min(column + COLUMNS, size)):
                        out[r, c] += bias[c]


def pack(weight: Tensor) -> Array:
    """A weight, (out, in), as flat blocks of columns, with rows of zeros after the last output."""
    size, depth = weight.shape
    padded = np.zeros((-(-size // COLUMNS) * COLUMNS, depth), f32)
    padded[:size] = weight.detach().numpy()
    blocks: Array = padded.reshape(-1, COLUMNS, depth).transpose(0, 2, 1)
    return np.ascontiguousarray(blocks).reshape(-1)


def bias_of(bias: Tensor | None) -> Array:
    """A bias, empty if there is none."""
    return np.empty(0, f32) if bias is None else bias.detach().numpy()


def packed_product(weight: Tensor, bias: Tensor | None) -> Callable[[Array], Array]:
    """A function that multiplies rows, (n, in), by a weight, (out, in), in fp32: to (n, out)."""
    size, packed, added = len(weight), pack(weight), bias_of(bias)

    def of(rows: Array) -> Array:
        out = np.empty((len(rows), size), f32)
        multiply(np.ascontiguousarray(rows), packed, added, out)
        return out

    return of
