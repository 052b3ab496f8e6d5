"""Products of hidden states and weights while decoding, by the library of products that is fast on this processor.

PyTorch multiplies fp32 matrices through Intel's MKL, which on AMD's processors reaches half of what oneDNN does with
tall weights (`benchmarks/products.py`, and docs/performance.md for figures); oneDNN comes with PyTorch too, and
bf16 goes through it anyway. The sums are the same up to the order of their terms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import NewGELUActivation


@cache
def onednn_is_faster() -> bool:
    """Whether this is a processor of AMD's, and oneDNN is there. A rule and no measurement: results must not vary."""
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    return vendor and _onednn_is_there()


@cache
def _onednn_is_there() -> bool:
    # What torch.compile calls for a linear map; there are no public names for them.
    names = ("_linear_pointwise", "_reorder_linear_weight")
    return torch.backends.mkldnn.is_available() and all(hasattr(torch.ops.mkldnn, name) for name in names)


@cache
def packs_bf16() -> bool:
    """Whether oneDNN takes packed weights in bf16 here. Without AVX-512 or AVX-NE-CONVERT it raises an error, while
    ``torch.nn.functional.linear`` computes the same product slowly."""
    if not _onednn_is_there():
        return False
    try:
        torch.ops.mkldnn._reorder_linear_weight(torch.zeros(16, 16, dtype=torch.bfloat16), _USUAL_ROWS)
    except RuntimeError:
        return False
    return True


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``torch.nn.functional.linear``. Shapes are its own; where gradients are asked for, it is it."""
    plain = inputs.dtype == weight.dtype == torch.float32 and inputs.device.type == "cpu"
    if plain and not torch.is_grad_enabled() and onednn_is_faster():
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found
    return functional.linear(inputs, weight, bias)


PACKED_ELEMENTS = 2**18
"""Weights up to this size are laid out anew for many products with them; a copy of larger ones takes memory."""


def product(weight: Tensor, bias: Tensor | None = None) -> Callable[[Tensor], Tensor]:
    """:func:`linear` with one weight, for many inputs."""
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
    """Within the context, linear maps of ``model`` are computed by :func:`product`, and the approximate GELU in one
    operation instead of eight; hooks and wrappers stay. Weights must not change."""
    before: list[tuple[nn.Module, Any]] = []
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


_FORWARDS: dict[type[nn.Module], Callable[[Any], Callable[[Tensor], Tensor]]] = {
    nn.Linear: lambda module: product(module.weight, module.bias),
    NewGELUActivation: lambda module: partial(functional.gelu, approximate="tanh"),
}
