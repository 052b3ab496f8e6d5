"""T5's gated GELU with its backward pass, compiled by Numba: ``gelu(gate) * linear`` in one pass over both.

PyTorch needs an operation each for the activation and for the product, and saves the results of both for the backward
pass. Here the backward pass computes them again from the inputs. The approximation of GELU by a hyperbolic tangent is
``x * sigmoid(2 u)`` with ``u = sqrt(2 / pi) * (x + 0.044715 x^3)`` (Hendrycks and Gimpel 2016).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from xlgen.kernels.numba_parts import array, compiled, exp, f32, inlined, read, rounded
from xlgen.kernels.numba_types import Array
from xlgen.kernels.thread_pool import share

_CUBIC = f32(0.044715)
_SLOPE = f32(-2 * math.sqrt(2 / math.pi))


@inlined
def _sigmoid(x: float) -> float:
    """``sigmoid(2 u)``."""
    share_of: float = f32(1) / (f32(1) + exp(_SLOPE * (x + _CUBIC * x * x * x)))
    return share_of


@compiled
def gate(first: int, last: int, width: int, states: Array, out: Array) -> None:
    """``gelu(gate) * linear`` for rows from ``first`` to ``last``: flat (rows, 2 width) to flat (rows, width)."""
    for r in range(first, last):
        own, linear = states[2 * r * width : (2 * r + 1) * width], states[(2 * r + 1) * width : (2 * r + 2) * width]
        to = out[r * width : (r + 1) * width]
        for d in range(width):
            x = read(own[d])
            to[d] = rounded(x * _sigmoid(x) * read(linear[d]), to[d])


@compiled
def _backward(first: int, last: int, width: int, states: Array, gradient: Array, found: Array) -> None:
    for r in range(first, last):
        gate, linear = states[2 * r * width : (2 * r + 1) * width], states[(2 * r + 1) * width : (2 * r + 2) * width]
        of_gate, of_linear = (
            found[2 * r * width : (2 * r + 1) * width],
            found[(2 * r + 1) * width : (2 * r + 2) * width],
        )
        upstream = gradient[r * width : (r + 1) * width]
        for d in range(width):
            x, g = read(gate[d]), read(upstream[d])
            s = _sigmoid(x)
            slope = s - x * s * (f32(1) - s) * _SLOPE * (f32(1) + f32(3) * _CUBIC * x * x)
            of_gate[d] = rounded(g * read(linear[d]) * slope, of_gate[d])
            of_linear[d] = rounded(g * x * s, of_linear[d])


def forward(states: Tensor) -> Tensor:
    """``gelu(gate) * linear`` for contiguous (..., 2 width), which is ``gate`` followed by ``linear``: (..., width)."""
    width = states.shape[-1] // 2
    out = states.new_empty((*states.shape[:-1], width))
    given = width, array(states.view(-1)), array(out.view(-1))
    share(out.numel() // width, lambda first, last, _: gate(first, last, *given))
    return out


def backward(states: Tensor, gradient: Tensor) -> Tensor:
    """The gradient of ``states``, for a contiguous ``gradient`` of :func:`forward`'s result."""
    width, found = states.shape[-1] // 2, torch.empty_like(states)
    given = width, array(states.view(-1)), array(gradient.view(-1)), array(found.view(-1))
    share(gradient.numel() // width, lambda first, last, _: _backward(first, last, *given))
    return found
