"""Batches made ahead in a thread, so that an accelerator does not wait for text to become ids."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, Full, Queue
from typing import Any

from xlgen.data.batches import BatchStream
from xlgen.data.examples import EncodedExample

_SECONDS = 0.1
"""Between looks at whether anybody still wants batches."""


@dataclass(frozen=True)
class _Made:
    batch: list[EncodedExample]
    state: dict[str, Any]
    """Of the stream behind the batch."""


class Prefetched:
    """The batches of a stream, and its state as if they were made when they are asked for."""

    def __init__(self, stream: BatchStream, depth: int) -> None:
        """At most ``depth`` batches are made ahead."""
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

    def state(self) -> dict[str, Any]:
        """What to save so that the stream can go on behind the last batch that was given."""
        return self._state

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a saved state; before the first batch only."""
        if self._thread is not None:
            raise RuntimeError("batches are being made already")
        self._stream.restore(state)
        self._state = self._stream.state()

    def close(self) -> None:
        """Make no more."""
        self._stopped.set()
        while self._thread is not None and self._thread.is_alive():
            try:
                self._made.get_nowait()  # it may wait for room
            except Empty:
                self._thread.join(_SECONDS)

    def _make(self) -> None:
        while not self._stopped.is_set():
            made: _Made | BaseException
            try:
                made = _Made(next(self._stream), self._stream.state())
            except BaseException as error:  # raised where the batch is asked for
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
    """``stream``, of which up to ``depth`` batches are made ahead; the stream itself where that is none."""
    if depth == 0:
        yield stream
        return
    ahead = Prefetched(stream, depth)
    try:
        yield ahead
    finally:
        ahead.close()
