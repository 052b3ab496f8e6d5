"""Distribute rows over threads, for compiled code that releases the GIL."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch

_Work = Callable[[int, int, int], None]


def parts_of(rows: int) -> int:
    """The number of threads for ``rows`` rows: PyTorch's number, but at most one per row."""
    return max(1, min(torch.get_num_threads(), rows))


def share(rows: int, work: _Work) -> None:
    """Call ``work(start, stop, part)`` in parallel for contiguous parts of the rows."""
    parts = parts_of(rows)
    if parts == 1:
        work(0, rows, 0)
    elif openmp := _openmp():
        _by_openmp(openmp, rows, parts, work)
    else:
        others = [_threads().submit(work, *_edges(rows, parts, part), part) for part in range(1, parts)]
        work(*_edges(rows, parts, 0), 0)
        for other in others:
            other.result()


def _edges(rows: int, parts: int, part: int) -> tuple[int, int]:
    return rows * part // parts, rows * (part + 1) // parts


_Region = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _by_openmp(openmp: ctypes.CDLL, rows: int, parts: int, work: _Work) -> None:
    """Run ``work`` in the OpenMP threads of PyTorch's operations. These spin after each operation, and would compete
    with any other threads for the cores."""
    errors: list[BaseException] = []

    def region(_: object) -> None:
        try:
            # A team may have fewer threads than requested.
            for part in range(openmp.omp_get_thread_num(), parts, openmp.omp_get_num_threads()):
                work(*_edges(rows, parts, part), part)
        except BaseException as error:  # raised again below; an exception must not pass through C code
            errors.append(error)

    openmp.GOMP_parallel(_Region(region), None, parts, 0)
    if errors:
        raise errors[0]


@cache
def _openmp() -> ctypes.CDLL | None:
    """The OpenMP library that PyTorch has loaded, if it is GCC's; otherwise None."""
    try:
        loaded = Path("/proc/self/maps").read_text(encoding="utf-8").split()
        path = next(each for each in loaded if "torch" in each and "/libgomp" in each)
        return ctypes.CDLL(path)
    except (OSError, StopIteration):
        return None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="xlgen")
