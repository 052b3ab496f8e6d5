"""What compiled code is made of: flags, numbers as they are stored, exponentials, the largest of a row.

Functions take fp32, or bf16 as 16-bit integers, and compute in fp32 either way. Numba keeps compiled code beside the
module, and makes it anew when that very file has changed: after a change here, remove ``__pycache__`` in both folders.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

f32 = np.float32
# Sums may be taken in any order, as every library of products does; infinities and NaN stay what they are.
FLAGS = {"reassoc", "contract", "nsz", "arcp"}
compiled = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath=FLAGS)
inlined = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath=FLAGS, inline="always")


@intrinsic
def _float_of(typing_context: Any, bits: Any) -> Any:
    """The fp32 number of 32 bits."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), code


@intrinsic
def read(typing_context: Any, number: Any) -> Any:
    """A stored number as fp32: itself, or bf16 in a 16-bit integer, which is the upper half of one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if number == types.float32:
            return arguments[0]
        wide = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.Constant(ir.IntType(32), 16)), ir.FloatType())

    return types.float32(number), code


@intrinsic
def rounded(typing_context: Any, number: Any, like: Any) -> Any:
    """fp32 as it is stored beside ``like``; bf16 is rounded to nearest, ties to even."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if like == types.float32:
            return arguments[0]
        int32 = ir.IntType(32)
        bits = builder.bitcast(arguments[0], int32)
        upper = builder.lshr(bits, ir.Constant(int32, 16))
        odd = builder.and_(upper, ir.Constant(int32, 1))
        bits = builder.add(bits, builder.add(odd, ir.Constant(int32, 0x7FFF)))
        return builder.trunc(builder.lshr(bits, ir.Constant(int32, 16)), ir.IntType(16))

    return like(types.float32, like), code


@intrinsic
def scattered(typing_context: Any, number: Any) -> Any:
    """32 bits that look drawn at random, other ones for each number (the mixer "lowbias32" of Wellons, 2018)."""
    int32 = ir.IntType(32)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = arguments[0]
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            bits = builder.mul(builder.xor(bits, builder.lshr(bits, int32(shift))), int32(factor))
        return builder.xor(bits, builder.lshr(bits, int32(16)))

    return types.int32(types.int32), code


@inlined
def key_of(seed: int, row: int) -> Any:
    """What :func:`is_kept` takes for one row of a dropout."""
    return scattered(np.int32(seed) ^ scattered(np.int32(row)))


@inlined
def is_kept(key: Any, place: int, dropped: Any) -> Any:
    """Whether one number of a row stays; ``dropped`` is the share of those that do not, from -2^31 on."""
    return scattered(np.int32(place) ^ key) >= dropped


def dropped_below(probability: float) -> Any:
    """What :func:`is_kept` is told."""
    return np.int32(round(probability * (2**32 - 1)) - 2**31)


@inlined
def exp(number: Any) -> Any:
    """e to the power of an fp32 number, to 2e-7 of it (the polynomial of Cephes' ``expf``), in few instructions."""
    x = min(max(number, f32(-87.0)), f32(88.0))
    whole = np.floor(x * f32(1.44269504) + f32(0.5))
    rest = x - whole * f32(0.693359375)
    rest = rest + whole * f32(2.12194440e-4)
    sum_ = f32(1.9875691500e-4)
    sum_ = sum_ * rest + f32(1.3981999507e-3)
    sum_ = sum_ * rest + f32(8.3334519073e-3)
    sum_ = sum_ * rest + f32(4.1665795894e-2)
    sum_ = sum_ * rest + f32(1.6666665459e-1)
    sum_ = sum_ * rest + f32(5.0000001201e-1)
    sum_ = sum_ * rest * rest + rest + f32(1.0)
    return sum_ * _float_of((np.int32(whole) + np.int32(127)) << np.int32(23))


_LANES = 16


@intrinsic
def _largest_lane(typing_context: Any, numbers: Any, vectors: Any) -> Any:
    """The largest of so many vectors of fp32 numbers, one behind another; minus infinity of none."""
    vector = ir.VectorType(ir.FloatType(), _LANES)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        data = builder.bitcast(data, vector.as_pointer())
        top = cgutils.alloca_once_value(builder, ir.Constant(vector, [float("-inf")] * _LANES))
        with cgutils.for_range(builder, arguments[1]) as loop:
            now, best = builder.load(builder.gep(data, [loop.index])), builder.load(top)
            now.align = 4
            builder.store(builder.select(builder.fcmp_ordered(">", now, best), now, best), top)
        found = cgutils.alloca_once_value(builder, ir.Constant(ir.FloatType(), float("-inf")))
        lanes = builder.load(top)
        for lane in range(_LANES):
            now, best = builder.extract_element(lanes, ir.IntType(32)(lane)), builder.load(found)
            builder.store(builder.select(builder.fcmp_ordered(">", now, best), now, best), found)
        return builder.load(found)

    return types.float32(numbers, types.int64), code


@compiled
def largest_of(numbers: Any) -> Any:
    """The largest of some fp32 numbers that stand one behind another. A loop that compares is never taken by lanes."""
    vectors = len(numbers) // _LANES
    top = _largest_lane(numbers, vectors)
    for s in range(vectors * _LANES, len(numbers)):
        top = max(numbers[s], top)
    return top


def array(tensor: Tensor) -> Any:
    """The same memory for Numba; bf16 as 16-bit integers."""
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
