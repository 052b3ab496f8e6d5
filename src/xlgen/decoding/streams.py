"""Parallel searches in threads: on a CPU, one core runs a small model's step as fast as two cores together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

import torch

from xlgen.kernels.decoder_steps import kernels_for

_FEW = 8
"""Minimum inputs of a stream; fewer are not worth the steps."""
_SMALL = 2**24
"""Maximum parameters of a model that is decoded in several streams."""

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class _End:
    """The end of a part, with its error, if any."""

    error: BaseException | None


def streams_for(device: torch.device, inputs: int, rows: int, parameters: int) -> int:
    """The number of streams for ``inputs`` inputs, of which ``rows`` are decoded at a time.

    It is one on a GPU, and without compiled kernels, since Python's lock is then held for long. It is also one for a
    model with too many ``parameters`` for a core's cache: one stream then reads the weights once for all rows.
    """
    if device.type != "cpu" or parameters > _SMALL or kernels_for(torch.empty(0)) is None:
        return 1
    return max(1, min(torch.get_num_threads(), inputs // _FEW, rows // _FEW))


def run_in_threads(parts: Sequence[Callable[[], Iterator[_Result]]]) -> Iterator[_Result]:
    """Yield the results of the iterators of ``parts`` as they complete; the parts share PyTorch's threads.

    The first exception of a part is raised here after the others have stopped, which they do at their next result.
    """
    if len(parts) == 1:
        yield from parts[0]()
        return
    threads = torch.get_num_threads()
    results: SimpleQueue[_Result | _End] = SimpleQueue()
    stopped = threading.Event()

    def work(part: Callable[[], Iterator[_Result]]) -> None:
        torch.set_num_threads(max(1, threads // len(parts)))
        try:
            for result in part():
                results.put(result)
                if stopped.is_set():
                    break
            results.put(_End(None))
        except BaseException as error:  # raised again below
            results.put(_End(error))

    workers = [threading.Thread(target=work, args=(part,), daemon=True) for part in parts]
    failure: BaseException | None = None
    try:
        for worker in workers:
            worker.start()
        running = len(workers)
        while running:
            result = results.get()
            if not isinstance(result, _End):
                yield result
                continue
            running -= 1
            if result.error is not None:
                failure = failure or result.error
                stopped.set()
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
        torch.set_num_threads(threads)
    if failure is not None:
        raise failure
