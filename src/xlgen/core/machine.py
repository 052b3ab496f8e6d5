"""Measure how fast this machine multiplies, and choose the faster precision for training."""

from __future__ import annotations

import statistics
import time
from functools import cache
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch

_FASTER = 1.2
"""Minimum speedup for bf16, which changes results a little."""
_REPEATS, _SMALL, _SLOW = 7, 256, 5.0


@cache
def rates() -> dict[str, float]:
    """GFLOP/s of a square product in fp32 and bf16 on a GPU, or on one core, whatever else the machine is doing.

    Measured once per process, in a fraction of a second.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # several wait for each other where other work takes turns with them
    try:
        return {"fp32": product_rate(torch.float32, best=True), "bf16": product_rate(torch.bfloat16, best=True)}
    finally:
        torch.set_num_threads(threads)


def faster_precision() -> Literal["fp32", "bf16"]:
    """bf16 if this machine multiplies clearly faster in it, else fp32. Many CPUs only emulate bf16, at a fraction of
    the speed."""
    found = rates()
    return "bf16" if found["bf16"] > _FASTER * found["fp32"] else "fp32"


def slowdown(precision: str) -> float | None:
    """How many times slower than in fp32 this machine multiplies in ``precision``; None if it is not slower."""
    found = rates()
    times = found["fp32"] / found[precision] if precision in found else 1.0
    return times if times > 1 else None


def product_rate(dtype: torch.dtype, size: int = 1024, device: str | None = None, best: bool = False) -> float:
    """GFLOP/s of a square matrix product, the limit of operations that are bound by arithmetic.

    Returns the median of several products or, with ``best``, the fastest, which depends less on other processes. If a
    small product is already slow, as in an emulated precision, ``size`` is not tried.
    """
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    small = min(_seconds(dtype, _SMALL, device))
    if 2 * _SMALL**3 / small / 1e9 < _SLOW:
        return 2 * _SMALL**3 / small / 1e9
    seconds = _seconds(dtype, size, device)
    return 2 * size**3 / (min(seconds) if best else statistics.median(seconds)) / 1e9


def _seconds(dtype: torch.dtype, size: int, device: str) -> list[float]:
    """The duration of each of several products."""
    import torch

    # No random numbers, of which a run's are to be the same whether this was measured or not.
    a, b = (torch.full((size, size), 0.5, dtype=dtype, device=device) for _ in range(2))
    found = []
    for _ in range(_REPEATS):
        started = time.perf_counter()
        a @ b
        if device == "cuda":
            torch.cuda.synchronize()
        found.append(time.perf_counter() - started)
    return found
