"""Prefetching of batches in a thread, so that an accelerator does not wait for tokenization."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue

from xlgen.data.batches import BatchStream, StreamState
from xlgen.data.examples import EncodedExample

_SECONDS = 0.1
"""Seconds between checks of whether the consumer has stopped."""


@dataclass(frozen=True)
class _Made:
    batch: list[EncodedExample]
    state: StreamState
    """State of the stream after the batch."""


class Prefetched:
    """The batches of a stream, made ahead; its state is that after the last batch returned."""

    def __init__(self, stream: BatchStream, depth: int) -> None:
        """Prefetch at most ``depth`` batches of ``stream``."""
        self._stream = stream
        self._made: Queue[_Made | BaseException] = Queue(depth)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._state = stream.state()

    def __iter__(self) -> Iterator[list[EncodedExample]]:
        return self

    def __next__(self) -> list[EncodedExample]:
        if self._thread is None:
            self._thread = threading.Thread(target=self._make, daemon=True)
            self._thread.start()
        made = self._made.get()
        if isinstance(made, BaseException):
            raise made
        self._state = made.state
        return made.batch

    def state(self) -> StreamState:
        """The state to save for resuming after the last batch returned."""
        return self._state

    def restore(self, state: StreamState) -> None:
        """Resume from a saved state; allowed only before the first batch."""
        if self._thread is not None:
            raise RuntimeError("cannot restore a state after the first batch")
        self._stream.restore(state)
        self._state = self._stream.state()

    def close(self) -> None:
        """Stop making batches."""
        self._stopped.set()
        while self._thread is not None and self._thread.is_alive():
            try:
                self._made.get_nowait()  # the thread may wait for space in the queue
            except Empty:
                self._thread.join(_SECONDS)

    def _make(self) -> None:
        while not self._stopped.is_set():
            made: _Made | BaseException
            try:
                made = _Made(next(self._stream), self._stream.state())
            except BaseException as error:  # raised in __next__
                made = error
            while not self._stopped.is_set():
                try:
                    self._made.put(made, timeout=_SECONDS)
                    break
                except Full:
                    continue
            if isinstance(made, BaseException):
                return


@contextmanager
def prefetched(stream: BatchStream, depth: int) -> Iterator[BatchStream | Prefetched]:
    """``stream`` with up to ``depth`` batches made ahead; the stream itself if ``depth`` is 0."""
    if depth == 0:
        yield stream
        return
    ahead = Prefetched(stream, depth)
    try:
        yield ahead
    finally:
        ahead.close()
