"""The blocks of a decoder layer in one call each, compiled by Numba, for plain fp32 modules on one core.

Each calls the compiled parts of a block in turn. Between steps, the caches of the sources displace the interpreter's
memory from the processor's cache, so that every call from Python takes several times as long as in a loop by itself.

Weights are packed (:mod:`xlgen.kernels.packed_product`), and biases may be empty. ``hidden`` is (rows, width), to which
``update``, of the same shape or without rows, is added in place. A norm with an empty bias is T5's. Each block returns
the norm of ``hidden`` and its own result: (rows, width) each. ``wide`` is the number of outputs of ``maps``.
"""

from __future__ import annotations

import numpy as np

from xlgen.kernels.decoder_kernels import gelu, layer_norm, past, rms_norm, source
from xlgen.kernels.gated_gelu import gate
from xlgen.kernels.numba_parts import compiled, f32, inlined
from xlgen.kernels.numba_types import Array
from xlgen.kernels.packed_product import multiply

GATED_GELU, GELU, RELU = 0, 1, 2
"""Activations."""


@inlined
def _norm(hidden: Array, update: Array, weight: Array, bias: Array, epsilon: float) -> Array:
    normed: Array = np.empty_like(hidden)
    if len(bias) > 0:
        layer_norm(hidden, update, weight, bias, epsilon, normed)
    else:
        rms_norm(hidden, update, weight, epsilon, normed)
    return normed


@compiled
def self_block(
    hidden: Array, update: Array, norm: Array, norm_bias: Array, epsilon: float, wide: int, maps: Array,
    maps_bias: Array, output: Array, output_bias: Array, keys: Array, values: Array, shape: tuple[int, int],
    slots: Array,
    first: Array, bias: Array, distance: int, column: int, scale: float
) -> tuple[Array, Array]:  # fmt: skip
    """Self-attention; ``maps`` are those of queries, keys and values."""
    normed = _norm(hidden, update, norm, norm_bias, epsilon)
    rows = len(hidden)
    joined, attended, out = np.empty((rows, wide), f32), np.empty((rows, wide // 3), f32), np.empty_like(hidden)
    multiply(normed, maps, maps_bias, joined)
    past(0, len(first), joined, keys, values, shape, slots, first, bias, distance, scale, column, attended)
    multiply(attended, output, output_bias, out)
    return normed, out


@compiled
def cross_block(
    hidden: Array, update: Array, norm: Array, norm_bias: Array, epsilon: float, wide: int, maps: Array,
    maps_bias: Array, output: Array, output_bias: Array, keys: Array, values: Array, heads: int, mask: Array,
    scale: float
) -> tuple[Array, Array]:  # fmt: skip
    """Attention to the source; ``maps`` are those of queries."""
    normed = _norm(hidden, update, norm, norm_bias, epsilon)
    query, out = np.empty((len(hidden), wide), f32), np.empty_like(hidden)
    attended = np.empty_like(query)
    multiply(normed, maps, maps_bias, query)
    source(0, len(mask), query, keys, values, heads, mask, scale, attended)
    multiply(attended, output, output_bias, out)
    return normed, out


@compiled
def feed_block(
    hidden: Array, update: Array, norm: Array, norm_bias: Array, epsilon: float, wide: int, maps: Array,
    maps_bias: Array, output: Array, output_bias: Array, activation: int
) -> tuple[Array, Array]:  # fmt: skip
    """The feed-forward block; ``maps`` are those into it, both if it is gated."""
    normed = _norm(hidden, update, norm, norm_bias, epsilon)
    rows = len(hidden)
    inner, out = np.empty((rows, wide), f32), np.empty_like(hidden)
    multiply(normed, maps, maps_bias, inner)
    if activation == GATED_GELU:
        gated = np.empty((rows, wide // 2), f32)
        gate(0, rows, wide // 2, inner.reshape(-1), gated.reshape(-1))
        multiply(gated, output, output_bias, out)
    else:
        flat = inner.reshape(-1)
        if activation == GELU:
            gelu(flat)
        else:
            for k in range(len(flat)):
                flat[k] = max(flat[k], f32(0))
        multiply(inner, output, output_bias, out)
    return normed, out
