"""Types of the arguments of compiled code, for annotations. Numba itself infers types and reads no annotations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from llvmlite import ir
    from numba.core.base import BaseContext
    from numba.core.typing.templates import Signature

Array: TypeAlias = np.ndarray
"""An array of any rank and layout. Elements are fp32, or bf16 stored as 16-bit integers, unless a docstring says so."""

CodeGenerator: TypeAlias = "Callable[[BaseContext, ir.IRBuilder, Signature, Sequence[ir.Value]], ir.Value]"
"""Writes the LLVM code of an intrinsic: context, builder, signature and arguments to the result."""

Intrinsic: TypeAlias = "tuple[Signature, CodeGenerator]"
"""What the function of an intrinsic returns for given argument types."""
