"""Claim: attention with a trained position bias costs a fraction of the library's, both ways.
``python benchmarks/attention.py``: our block attention (``xlgen.kernels.flash``) against transformers' eager one and
PyTorch's fused one, forwards and backwards, at the shapes of a training step; the fused one is given no gradient for
the bias, as it has none on a CPU. Timed without dropout and with T5's, a tenth of the probabilities. GFLOP/s count the
seven products of both ways; beside them what a large product reaches on this machine, and, without dropout, the largest
difference of any gradient from the eager one's."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from products import medians

SHAPES = {
    "pocket: documents": (60, 6, 64, 32),
    "pocket: SQuAD": (16, 6, 250, 32),
    "mt5-small: SQuAD": (16, 6, 250, 64),
    "mt5-small: 1,000 tokens": (4, 6, 1_000, 64),
}
"""(batch, heads, tokens, numbers a head)."""


def main() -> None:
    table = Table("shape", "dtype", "attention", "ms", "GFLOP/s", "with dropout: ms", "GFLOP/s", "difference")
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

    def both_ways(name: str, call: Callable[..., Any], dropout: float) -> None:
        given = [*states, *([] if name == "fused" else [bias])]
        gradients = list(torch.autograd.grad(call(*states, bias, mask, dropout), given, upstream))
        if not dropout:
            found[name] = gradients

    calls = {"eager": eager, "fused": fused, "ours": ours}
    plain, dropped = (
        medians({name: partial(both_ways, name, call, dropout) for name, call in calls.items()})
        for dropout in (0.0, 0.1)
    )
    work = 7 * 2 * batch * heads * tokens * tokens * dim
    return [
        (
            name,
            *(
                text
                for seconds in (plain, dropped)
                for text in (f"{1e3 * seconds[name]:.2f}", f"{work / seconds[name] / 1e9:.0f}")
            ),
            f"{max(float((a - b).abs().max()) for a, b in zip(found[name], found['eager'], strict=False)):.1e}",
        )
        for name in calls
    ]


def cells(seconds: float, work: int) -> tuple[str, str]:
    """Milliseconds and GFLOP/s."""
    return f"{1e3 * seconds:.2f}", f"{work / seconds / 1e9:.0f}"


TRAINS = SimpleNamespace(training=True, num_key_value_groups=1)


def eager(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor, dropout: float) -> Tensor:
    from transformers.models.mt5.modeling_mt5 import eager_attention_forward

    module: Any = TRAINS
    found: Tensor = eager_attention_forward(module, query, key, value, mask, 1.0, dropout, position_bias=bias)[0]
    return found


def fused(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor, dropout: float) -> Tensor:
    added = bias.detach() + mask
    found = torch.nn.functional.scaled_dot_product_attention(query, key, value, added, dropout, scale=1.0)
    return found.transpose(1, 2)


def ours(query: Tensor, key: Tensor, value: Tensor, bias: Tensor, mask: Tensor, dropout: float) -> Tensor:
    from xlgen.kernels.attention import attention

    module: Any = TRAINS
    return attention(module, query, key, value, mask, scaling=1.0, dropout=dropout, position_bias=bias)[0]


if __name__ == "__main__":
    main()
