"""What this machine multiplies and reads at: ``python benchmarks/products.py``.

These are the limits in docs/results/performance.md.

For the products of a decoding step and of a training step it prints GFLOP/s of PyTorch's own fp32 product (Intel's MKL
on x86), of oneDNN (used on AMD by ``xlgen.kernels.products``) and of bf16; for training also the products of the
backward pass, where oneDNN is not used. Then bytes a second of reading a large tensor. Medians of interleaved runs.

The second table is for one core and few rows: PyTorch's product, NumPy's with a transposed weight, and the product with
packed weights (``xlgen.kernels.packed_product``). Each takes 12 MB of weights in turn, as a step does.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from itertools import product

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from threadpoolctl import threadpool_limits
from torch.nn import functional

SHAPES = {
    "pocket: a layer, 128 rows": (128, 192, 576),
    "pocket: head, 128 rows": (128, 192, 8_000),
    "mt5-small: a layer, 128 rows": (128, 512, 2_048),
    "mt5-small: head, 128 rows": (128, 512, 250_112),
    "mt5-small: training, 4,000 rows": (4_000, 512, 1_024),
}
ROUNDS = 9


def main() -> None:
    table = Table("product", "fp32", "oneDNN", "bf16", "to inputs", "oneDNN", "to weights", "oneDNN")
    for name, (rows, inner, columns) in SHAPES.items():
        hidden, weight = torch.randn(rows, inner), torch.randn(columns, inner)
        half, half_weight = hidden.bfloat16(), weight.bfloat16()
        calls: dict[str, Callable[[], object]] = {
            "fp32": lambda: functional.linear(hidden, weight),  # noqa: B023
            "oneDNN": lambda: onednn(hidden, weight),  # noqa: B023
            "bf16": lambda: functional.linear(half, half_weight),  # noqa: B023
        }
        if rows > 1_000:
            gradient = torch.randn(rows, columns)
            calls |= {
                "to inputs": lambda: gradient @ weight,  # noqa: B023
                "to inputs, oneDNN": lambda: onednn(gradient, weight.T),  # noqa: B023
                "to weights": lambda: gradient.T @ hidden,  # noqa: B023
                "to weights, oneDNN": lambda: onednn(gradient.T, hidden.T),  # noqa: B023
            }
        seconds = medians(calls)
        table.add_row(name, *(f"{2 * rows * inner * columns / value / 1e9:.0f}" for value in seconds.values()))
    console = Console(width=120)
    console.print(f"{torch.get_num_threads()} threads, GFLOP/s")
    console.print(table)
    console.print(few_rows())
    large = torch.ones(2**27)
    console.print(f"reading memory: {large.nbytes / medians({'sum': large.sum})['sum'] / 1e9:.0f} GB/s")


def few_rows() -> Table:
    """GFLOP/s of products of few rows with weights of a pocket model."""
    from xlgen.kernels.packed_product import packed_product

    table = Table("rows x in x out", "PyTorch", "NumPy", "packed", "packed / best other")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1), torch.inference_mode():
            for rows, (inner, columns) in product((16, 32, 48, 128), ((192, 576), (192, 192), (192, 768), (384, 192))):
                weights = [torch.randn(columns, inner) for _ in range(12_000_000 // 4 // inner // columns)]
                turned = [np.ascontiguousarray(weight.numpy().T) for weight in weights]
                packed = [packed_product(weight, None) for weight in weights]
                hidden = torch.randn(rows, inner)
                numbers = hidden.numpy()
                calls: dict[str, Callable[[], object]] = {
                    "PyTorch": lambda: [functional.linear(hidden, each) for each in weights],  # noqa: B023
                    "NumPy": lambda: [np.dot(numbers, each) for each in turned],  # noqa: B023
                    "packed": lambda: [each(numbers) for each in packed],  # noqa: B023
                }
                work = 2 * rows * inner * columns * len(weights) / 1e9
                rates = [work / seconds for seconds in medians(calls).values()]
                ratio = rates[2] / max(rates[:2])
                table.add_row(f"{rows} x {inner} x {columns}", *(f"{rate:.0f}" for rate in rates), f"{ratio:.2f}")
    finally:
        torch.set_num_threads(threads)
    return table


def onednn(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(inputs, weight, None, "none", [], "")


def medians(calls: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """Seconds of each call; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(1 + ROUNDS):
        for name, call in calls.items():
            started = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - started)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


if __name__ == "__main__":
    main()
