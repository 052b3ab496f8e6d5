"""Building blocks of compiled code: flags, conversion of stored numbers, exponentials, the maximum of a row.

Functions take fp32, or bf16 as 16-bit integers, and always compute in fp32. Numba caches compiled code next to each
module, and recompiles it only if that same file has changed: after a change here, remove ``__pycache__`` in the folders
of all modules that use it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic
from torch import Tensor

from xlgen.kernels.numba_types import Array, Intrinsic

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

f32 = np.float32
# Sums may be reordered, as in every matrix library; infinities and NaN are preserved.
FLAGS = {"reassoc", "contract", "nsz", "arcp"}
compiled = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath=FLAGS)
inlined = njit(nogil=True, cache=True, boundscheck=False, error_model="numpy", fastmath=FLAGS, inline="always")


@intrinsic
def _float_of(typing_context: TypingContext, bits: types.Type) -> Intrinsic:
    """Reinterpret 32 bits as an fp32 number."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), code


@intrinsic
def read(typing_context: TypingContext, number: types.Type) -> Intrinsic:
    """Convert a stored number to fp32: fp32 itself, or bf16 in a 16-bit integer, which is the upper half of an fp32."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        if number == types.float32:
            return arguments[0]
        wide = builder.zext(arguments[0], ir.IntType(32))
        return builder.bitcast(builder.shl(wide, ir.Constant(ir.IntType(32), 16)), ir.FloatType())

    return types.float32(number), code


@intrinsic
def rounded(typing_context: TypingContext, number: types.Type, like: types.Type) -> Intrinsic:
    """Convert fp32 to the stored type of ``like``; bf16 is rounded to nearest, ties to even."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
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
def scattered(typing_context: TypingContext, number: types.Type) -> Intrinsic:
    """A pseudo-random, bijective hash of 32 bits ("lowbias32" of Wellons, 2018)."""
    int32 = ir.IntType(32)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        bits = arguments[0]
        for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
            bits = builder.mul(builder.xor(bits, builder.lshr(bits, int32(shift))), int32(factor))
        return builder.xor(bits, builder.lshr(bits, int32(16)))

    return types.int32(types.int32), code


@inlined
def key_of(seed: int, row: int) -> np.int32:
    """The key of one row of a dropout, for :func:`is_kept`."""
    key: np.int32 = scattered(np.int32(seed) ^ scattered(np.int32(row)))
    return key


@inlined
def is_kept(key: np.int32, place: int, dropped: np.int32) -> bool:
    """Whether dropout keeps one number of a row; ``dropped`` comes from :func:`dropped_below`."""
    kept: bool = scattered(np.int32(place) ^ key) >= dropped
    return kept


def dropped_below(probability: float) -> np.int32:
    """The threshold for :func:`is_kept`: the probability mapped to the range of 32-bit integers, from -2^31."""
    return np.int32(round(probability * (2**32 - 1)) - 2**31)


@inlined
def exp(number: np.float32) -> np.float32:
    """The exponential of an fp32 number with a relative error of 2e-7 (the polynomial of Cephes' ``expf``)."""
    x = min(max(number, f32(-87.0)), f32(88.0))
    whole: np.float32 = np.floor(x * f32(1.44269504) + f32(0.5))
    rest = x - whole * f32(0.693359375)
    rest = rest + whole * f32(2.12194440e-4)
    sum_ = f32(1.9875691500e-4)
    sum_ = sum_ * rest + f32(1.3981999507e-3)
    sum_ = sum_ * rest + f32(8.3334519073e-3)
    sum_ = sum_ * rest + f32(4.1665795894e-2)
    sum_ = sum_ * rest + f32(1.6666665459e-1)
    sum_ = sum_ * rest + f32(5.0000001201e-1)
    sum_ = sum_ * rest * rest + rest + f32(1.0)
    power: np.float32 = _float_of((np.int32(whole) + np.int32(127)) << np.int32(23))
    return sum_ * power


@intrinsic
def prefetch(typing_context: TypingContext, numbers: types.Type, place: types.Type) -> Intrinsic:
    """Ask the processor to read the cache line of an element of a flat array, which need not exist."""

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        at = builder.bitcast(builder.gep(data, [arguments[1]]), ir.IntType(8).as_pointer())
        int32 = ir.IntType(32)
        call = builder.module.declare_intrinsic(
            "llvm.prefetch", [at.type], ir.FunctionType(ir.VoidType(), [at.type, int32, int32, int32])
        )
        builder.call(call, [at, int32(0), int32(3), int32(1)])  # for reading, into all caches, of data
        return context.get_dummy_value()

    return types.void(numbers, types.int64), code


_LANES = 16


@intrinsic
def _largest_lane(typing_context: TypingContext, numbers: types.Type, vectors: types.Type) -> Intrinsic:
    """The maximum of N consecutive vectors of fp32 numbers; minus infinity if there are none."""
    vector = ir.VectorType(ir.FloatType(), _LANES)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
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
def largest_of(numbers: Array) -> np.float32:
    """The maximum of contiguous fp32 numbers. LLVM does not vectorize a plain loop of comparisons."""
    vectors = len(numbers) // _LANES
    top: np.float32 = _largest_lane(numbers, vectors)
    for s in range(vectors * _LANES, len(numbers)):
        top = max(numbers[s], top)
    return top


def array(tensor: Tensor) -> Array:
    """The tensor's memory as an array for Numba; bf16 as 16-bit integers."""
    return tensor.view(torch.uint16).numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
