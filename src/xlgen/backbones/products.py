"""Products of hidden states and weights while decoding, by the library of products that is fast on this processor.

PyTorch multiplies fp32 matrices through Intel's MKL, which on AMD's processors reaches half of what oneDNN does with
tall weights (`benchmarks/products.py`, and docs/performance.md for figures); oneDNN comes with PyTorch too, and
bf16 goes through it anyway. The sums are the same up to the order of their terms.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@cache
def onednn_is_faster() -> bool:
    """Whether this is a processor of AMD's, and oneDNN is there. A rule and no measurement: results must not vary."""
    try:
        vendor = "AuthenticAMD" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return False
    # What torch.compile calls for a linear map; there is no public name for it.
    return vendor and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def linear(inputs: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """``torch.nn.functional.linear``. Shapes are its own; where gradients are asked for, it is it."""
    plain = inputs.dtype == weight.dtype == torch.float32 and inputs.device.type == "cpu"
    if plain and not torch.is_grad_enabled() and onednn_is_faster():
        found: Tensor = torch.ops.mkldnn._linear_pointwise(inputs, weight, bias, "none", [], "")
        return found
    return functional.linear(inputs, weight, bias)


@contextmanager
def fast_linears(model: nn.Module) -> Iterator[None]:
    """Within the context the linear maps of ``model`` are computed by :func:`linear`; hooks and wrappers stay."""
    plain: list[Any] = [module for module in model.modules() if type(module) is nn.Linear]
    changed = [module for module in plain if "forward" not in vars(module)]
    for module in changed:
        module.forward = partial(_forward, module)
    try:
        yield
    finally:
        for module in changed:
            del module.forward


def _forward(module: nn.Linear, inputs: Tensor) -> Tensor:
    return linear(inputs, module.weight, module.bias)
