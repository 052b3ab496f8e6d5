"""Products of hidden states and weights during decoding, with what is faster on this processor.

On one core, fp32 products of few rows with small weights are our own (:mod:`xlgen.kernels.packed_product`). All others
are PyTorch's: on AMD processors by oneDNN, which PyTorch always uses for bf16, elsewhere by Intel's MKL.
`benchmarks/products.py` measures all of them. The results are equal up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from xlgen.kernels.decoder_steps import kernels_for
from xlgen.kernels.numba_types import Array


@cache
def onednn_is_faster() -> bool:
    """Whether oneDNN is faster than MKL for few fp32 rows and tall weights: on AMD processors.

    A fixed rule, not a measurement, which could vary.
    """
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return vendor and _onednn_is_there()


@cache
def onednn_trains_faster() -> bool:
    """The same for the thousands of rows of a training step: on AMD processors with AVX-512, for which MKL has no fast
    code. With AVX2, MKL is as fast or faster."""
    return onednn_is_faster() and torch.backends.cpu.get_cpu_capability() == "AVX512"


@cache
def _onednn_is_there() -> bool:
    # The operators that torch.compile uses for a linear map; they have no public names.
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


@cache
def packs_bf16() -> bool:
    """Whether oneDNN supports packed bf16 weights on this processor.

    Without AVX-512 or AVX-NE-CONVERT it raises an error; ``torch.nn.functional.linear`` still works, but slowly.
    """
    if not _onednn_is_there():
        return False
    try:
        torch.ops.mkldnn._reorder_linear_weight(torch.zeros(16, 16, dtype=torch.bfloat16), _USUAL_ROWS)
    except RuntimeError:
        return False
    return True


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Equivalent to ``torch.nn.functional.linear``, which it calls if gradients are enabled."""
    plain = inputs.dtype == weight.dtype == torch.float32 and inputs.device.type == "cpu"
    if plain and not torch.is_grad_enabled() and onednn_is_faster():
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found
    return functional.linear(inputs, weight, bias)


PACKED_ELEMENTS = 2**18
"""Largest weight that is copied to a faster layout for repeated products; larger copies would take too much memory."""

_FEW_ROWS = 128
"""The largest number of rows for which a product with packed weights is faster than PyTorch's."""


def product(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """A function that computes :func:`linear` with a fixed weight, optimized for many calls."""
    if weight.device.type != "cpu" or weight.dtype not in (torch.float32, torch.bfloat16):
        return lambda inputs: functional.linear(inputs, weight, bias)
    if weight.dtype == torch.bfloat16:
        if weight.numel() <= PACKED_ELEMENTS and packs_bf16():
            return _packed_bf16(weight, bias)
        return lambda inputs: functional.linear(inputs, weight, bias)
    multiplied, (size, depth) = array_product(weight, bias), weight.shape

    def of(inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled() or inputs.dtype != torch.float32:
            return functional.linear(inputs, weight, bias)
        return torch.from_numpy(multiplied(inputs.numpy().reshape(-1, depth))).view(*inputs.shape[:-1], size)

    return of


def array_product(weight: Tensor, bias: Tensor | None) -> Callable[[Array], Array]:
    """:func:`product` of rows in fp32, or in bf16 stored as 16-bit integers."""
    if weight.dtype != torch.float32:
        multiplied = product(weight, bias)
        return lambda rows: multiplied(torch.from_numpy(rows).view(weight.dtype)).view(torch.uint16).numpy()
    packed = _packed(weight, bias)

    def of(rows: Array) -> Array:
        if packed is not None and len(rows) <= _FEW_ROWS and torch.get_num_threads() == 1:
            return packed(rows)
        found: Array = linear(torch.from_numpy(rows), weight, bias).numpy()
        return found

    return of


def _packed(weight: Tensor, bias: Tensor | None) -> Callable[[Array], Array] | None:
    if weight.numel() > PACKED_ELEMENTS or kernels_for(weight) is None:
        return None
    from xlgen.kernels.packed_product import packed_product  # imported late, because it loads Numba

    return packed_product(weight, bias)


def _packed_bf16(weight: Tensor, bias: Tensor | None) -> Callable[[Tensor], Tensor]:
    with torch.no_grad():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _USUAL_ROWS)

    def of(inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled() or inputs.dtype != torch.bfloat16:
            return functional.linear(inputs, weight, bias)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "none", [], "")
        return found

    return of


_USUAL_ROWS = 128
