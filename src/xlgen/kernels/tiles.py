"""Matrix products within a core's cache, for compiled code that uses the results there.

A library's products write their results to memory, from which the next operation reads them again; attention scores are
a hundred times as large as their inputs. Here a tile of the result stays in the processor's registers until it is
complete. The code uses LLVM vectors directly, because Numba's loops keep only a single row in registers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from llvmlite import binding, ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from xlgen.kernels.numba_parts import compiled
from xlgen.kernels.numba_types import Array, Intrinsic

if TYPE_CHECKING:
    from numba.core.base import BaseContext
    from numba.core.typing.context import BaseContext as TypingContext
    from numba.core.typing.templates import Signature

_WIDE = bool(binding.get_host_cpu_features().get("avx512f"))
LANES = 16 if _WIDE else 8
"""Numbers in a vector."""
ROWS = 8 if _WIDE else 4
"""Rows of a tile. With two vectors per row, the accumulators leave enough registers for the factors."""
COLUMNS = 2 * LANES
"""Columns of a tile."""


@intrinsic
def _tile(
    typing_context: TypingContext, c: types.Type, c_at: types.Type, c_row: types.Type, a: types.Type,
    a_at: types.Type, a_row: types.Type, a_step: types.Type, b: types.Type, b_at: types.Type, b_row: types.Type,
    depth: types.Type, fresh: types.Type
) -> Intrinsic:  # fmt: skip
    """``C = A B`` if ``fresh``, else ``C += A B``, for (ROWS, depth) and (depth, COLUMNS) in flat arrays.

    B is in fp32, or in bf16 stored as 16-bit integers.
    """
    vector, int64 = ir.VectorType(ir.FloatType(), LANES), ir.IntType(64)
    wide, narrow = (ir.VectorType(ir.IntType(bits), LANES) for bits in (32, 16))
    sixteen = ir.Constant(wide, [16] * LANES)
    halves = b.dtype != types.float32
    undefined, zeros = ir.Constant(vector, ir.Undefined), ir.Constant(vector, [0.0] * LANES)
    first = ir.Constant(ir.VectorType(ir.IntType(32), LANES), [0] * LANES)

    def code(
        context: BaseContext, builder: ir.IRBuilder, signature: Signature, arguments: Sequence[ir.Value]
    ) -> ir.Value:
        c, c_at, c_row, a, a_at, a_row, a_step, b, b_at, b_row, depth, fresh = arguments

        def start(place: int, value: ir.Value, at: ir.Value) -> ir.Value:
            return builder.gep(context.make_array(signature.args[place])(context, builder, value).data, [at])

        def vectors(row: ir.Value, kind: ir.VectorType = vector) -> list[ir.Value]:
            places = (builder.gep(row, [int64(part * LANES)]) for part in range(2))
            return [builder.bitcast(place, kind.as_pointer()) for place in places]

        def load(place: ir.Value) -> ir.Value:
            found = builder.load(place)
            found.align = 4
            return found

        def right_of(row: ir.Value) -> list[ir.Value]:
            if not halves:
                return [load(place) for place in vectors(row)]
            found = []
            for place in vectors(row, narrow):
                stored = builder.load(place)
                stored.align = 2
                found.append(builder.bitcast(builder.shl(builder.zext(stored, wide), sixteen), vector))
            return found

        c, a, b = start(0, c, c_at), start(3, a, a_at), start(7, b, b_at)
        targets = [place for row in range(ROWS) for place in vectors(builder.gep(c, [builder.mul(c_row, int64(row))]))]
        sums = [cgutils.alloca_once(builder, vector) for _ in targets]
        with builder.if_else(fresh) as (new, old):
            with new:
                for total in sums:
                    builder.store(zeros, total)
            with old:
                for total, target in zip(sums, targets, strict=True):
                    builder.store(load(target), total)
        kind = ir.FunctionType(vector, [vector] * 3)
        multiply_add = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
        rows = [builder.mul(a_row, int64(row)) for row in range(ROWS)]
        with cgutils.for_range(builder, depth) as loop:
            right = right_of(builder.gep(b, [builder.mul(loop.index, b_row)]))
            left = builder.gep(a, [builder.mul(loop.index, a_step)])
            for row, offset in enumerate(rows):
                one = builder.insert_element(undefined, builder.load(builder.gep(left, [offset])), ir.IntType(32)(0))
                every = builder.shuffle_vector(one, undefined, first)
                for part in range(2):
                    total = sums[2 * row + part]
                    builder.store(builder.call(multiply_add, [every, right[part], builder.load(total)]), total)
        for total, target in zip(sums, targets, strict=True):
            builder.store(builder.load(total), target).align = 4
        return context.get_dummy_value()

    i = types.int64
    return types.void(c, i, i, a, i, i, i, b, i, i, i, types.boolean), code


@compiled
def matmul(
    c: Array, c_row: int, a: Array, a_row: int, a_step: int, b: Array, b_row: int, rows: int, columns: int,
    depth: int, fresh: bool
) -> None:  # fmt: skip
    """``C = A B`` if ``fresh``, else ``C += A B``, for flat fp32 arrays; B may be in bf16.

    Args:
        c: (rows, columns), with a row stride of ``c_row``.
        a: (rows, depth), with a row stride of ``a_row`` and a column stride of ``a_step``.
        b: (depth, columns), with a row stride of ``b_row``.
        rows: A multiple of ROWS; pad if necessary.
        columns: A multiple of COLUMNS.
    """
    for column in range(0, columns, COLUMNS):
        for row in range(0, rows, ROWS):
            _tile(c, row * c_row + column, c_row, a, row * a_row, a_row, a_step, b, column, b_row, depth, fresh)
