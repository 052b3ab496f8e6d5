"""Claim: attention with a trained position bias costs a fraction of the library's, both ways.
``python benchmarks/attention.py``: our block attention (``xlgen.backbones.flash``) against transformers' eager one and
PyTorch's fused one, forwards and backwards, at the shapes of a training step; the fused one is given no gradient for
the bias, as it has none on a CPU. GFLOP/s count the seven products of both ways; beside them what a large product
reaches on this machine, and the largest difference of any gradient from the eager one's."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

SHAPES = {
    "pocket: documents": (60, 6, 64, 32),
    "pocket: SQuAD": (16, 6, 250, 32),
    "mt5-small: SQuAD": (16, 6, 250, 64),
    "mt5-small: 1,000 tokens": (4, 6, 1_000, 64),
}
"""(batch, heads, tokens, numbers a head)."""
ROUNDS = 9


def main() -> None:
    table = Table("shape", "dtype", "attention", "ms", "GFLOP/s", "difference")
    for name, shape in SHAPES.items():
        for dtype in (torch.float32, torch.bfloat16):
            for row in measured(shape, dtype):
                table.add_row(name, str(dtype).removeprefix("torch."), *row)
    console = Console(width=120)
    matrix = torch.randn(2_048, 2_048)
    rate = 2 * 2_048**3 / medians({"product": lambda: matrix @ matrix})["product"] / 1e9
    console.print(f"{torch.get_num_threads()} threads; a product of fp32 runs at {rate:.0f} GFLOP/s")
    console.print(table)


def measured(shape: tuple[int, int, int, int], dtype: torch.dtype) -> list[tuple[str, ...]]:
    """Name, milliseconds, GFLOP/s and difference of each."""
    batch, heads, tokens, dim = shape
    # As a layer gives them: heads beside one another in each token's row.
    states = [torch.randn(batch, tokens, heads, dim).to(dtype).transpose(1, 2).requires_grad_() for _ in range(3)]
    bias = torch.randn(1, heads, tokens, tokens).to(dtype).requires_grad_()
    hidden = torch.arange(tokens) >= torch.randint(tokens // 2, tokens + 1, (batch, 1, 1, 1))
    mask = torch.zeros(hidden.shape, dtype=dtype).masked_fill(hidden, torch.finfo(dtype).min)
    upstream = torch.randn(batch, tokens, heads, dim).to(dtype)
    found: dict[str, list[Tensor]] = {}

    def both_ways(name: str, call: Callable[..., Any]) -> None:
        given = [*states, *([] if name == "fused" else [bias])]
        out = call(SimpleNamespace(training=True), *states, bias)
        found[name] = list(torch.autograd.grad(out, given, upstream))

    calls = {"eager": eager, "fused": fused, "ours": ours}
    seconds = medians(
        {name: lambda n=name, c=call: both_ways(n, lambda *a: c(*a, mask)) for name, call in calls.items()}
    )
    work = 7 * 2 * batch * heads * tokens * tokens * dim
    return [
        (
            name,
            f"{1e3 * value:.2f}",
            f"{work / value / 1e9:.0f}",
            f"{max(float((a - b).abs().max()) for a, b in zip(found[name], found['eager'], strict=False)):.1e}",
        )
        for name, value in seconds.items()
    ]


def eager(module: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    from transformers.models.mt5.modeling_mt5 import eager_attention_forward

    module.num_key_value_groups = 1
    found: Tensor = eager_attention_forward(module, query, key, value, mask, 1.0, 0.0, position_bias=bias)[0]
    return found


def fused(module: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    added = bias.detach() + mask
    found = torch.nn.functional.scaled_dot_product_attention(query, key, value, added, scale=1.0)
    return found.transpose(1, 2)


def ours(module: Any, query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor) -> Tensor:
    from xlgen.backbones.attention import attention

    return attention(module, query, key, value, mask, scaling=1.0, position_bias=bias)[0]


def medians(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each call, in turn; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(1 + ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


if __name__ == "__main__":
    main()
