"""Products of hidden states and weights during decoding, with the matrix library that is faster on this processor.

PyTorch multiplies fp32 matrices with Intel's MKL, which on AMD processors has half the speed of oneDNN for tall weights
(`benchmarks/products.py`; docs/results/performance.md has the results). PyTorch includes oneDNN too, and always uses
it for bf16. The results are equal up to the order of summation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import NewGELUActivation

from xlgen.kernels.model_types import ModelPart


@cache
def onednn_is_faster() -> bool:
    """Whether the processor is from AMD and oneDNN is available. A fixed rule, not a measurement, which could vary."""
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return vendor and _onednn_is_there()


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
"""Largest weight that is packed for repeated products; a copy of a larger one would take too much memory."""


def product(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """A function that computes :func:`linear` with a fixed weight, optimized for many calls."""
    dtype = weight.dtype
    faster = packs_bf16() if dtype == torch.bfloat16 else dtype == torch.float32 and onednn_is_faster()
    if weight.device.type != "cpu" or not faster or weight.numel() > PACKED_ELEMENTS:
        return lambda inputs: linear(inputs, weight, bias)
    with torch.no_grad():
        packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach(), _USUAL_ROWS)

    def of(inputs: Tensor) -> Tensor:
        if torch.is_grad_enabled() or inputs.dtype != dtype:
            return functional.linear(inputs, weight, bias)
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, packed, bias, "none", [], "")
        return found

    return of


_USUAL_ROWS = 128


@contextmanager
def fast_modules(model: nn.Module) -> Iterator[None]:
    """Within the context, compute linear maps of ``model`` with :func:`product`, and the approximate GELU in one
    operation instead of eight. Hooks and wrappers still apply. Weights must not change."""
    before: list[tuple[nn.Module, Callable[[Tensor], Tensor] | None]] = []
    for module in model.modules():
        make = _FORWARDS.get(type(module))
        if make is not None:
            before.append((module, vars(module).pop("forward", None)))
            vars(module)["forward"] = make(module)
    try:
        yield
    finally:
        for module, forward in before:
            del vars(module)["forward"]
            if forward is not None:
                vars(module)["forward"] = forward


_FORWARDS: dict[type[nn.Module], Callable[[ModelPart], Callable[[Tensor], Tensor]]] = {
    nn.Linear: lambda module: product(module.weight, module.bias),
    NewGELUActivation: lambda module: partial(functional.gelu, approximate="tanh"),
}
