"""Sharing rows among threads, for compiled code that lets other threads run."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch

_Work = Callable[[int, int, int], None]


def parts_of(rows: int) -> int:
    """Among how many threads ``rows`` are shared: as many as PyTorch has."""
    return max(1, min(torch.get_num_threads(), rows))


def share(rows: int, work: _Work) -> None:
    """Call ``work`` with the first row, the last and the number of each part, side by side."""
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


def _by_openmp(openmp: Any, rows: int, parts: int, work: _Work) -> None:
    """By the threads that PyTorch's operations run in: after each of these they wait for the next one at full speed,
    and a thread beside them would get half a core."""
    errors: list[BaseException] = []

    def region(_: Any) -> None:
        try:
            # A team may be smaller than asked for.
            for part in range(openmp.omp_get_thread_num(), parts, openmp.omp_get_num_threads()):
                work(*_edges(rows, parts, part), part)
        except BaseException as error:  # raised again below; none may pass through C
            errors.append(error)

    openmp.GOMP_parallel(_Region(region), None, parts, 0)
    if errors:
        raise errors[0]


@cache
def _openmp() -> Any:
    """The OpenMP library that PyTorch has loaded, where it is GCC's; else None."""
    try:
        loaded = Path("/proc/self/maps").read_text(encoding="utf-8").split()
        path = next(each for each in loaded if "torch" in each and "/libgomp" in each)
        return ctypes.CDLL(path)
    except (OSError, StopIteration):
        return None


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(thread_name_prefix="xlgen")
