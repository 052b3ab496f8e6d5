"""Distribution of inputs to search streams: read in windows, ordered from the longest, and dealt out in turn."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from xlgen.data.examples import EncodedExample

_Item = TypeVar("_Item")

Numbered = tuple[int, EncodedExample]
"""The index of an input in the caller's inputs, and the input."""


class Deferred(Generic[_Item]):
    """An iterator that ends if the wrapped one fails, so that all items before the error are processed first."""

    def __init__(self, items: Iterable[_Item]) -> None:
        self._items = iter(items)
        self._error: Exception | None = None

    def __iter__(self) -> Iterator[_Item]:
        return self

    def __next__(self) -> _Item:
        try:
            return next(self._items)
        except StopIteration:
            raise
        except Exception as error:  # raised again by `finish`
            self._error = error
            raise StopIteration from None

    def finish(self) -> None:
        """Raise the error of the wrapped iterator, if any."""
        if self._error is not None:
            raise self._error


class Inputs:
    """The source of inputs for the streams of a search, each in its own thread.

    Batches are dealt to the streams in turn, whatever their speed, so that each run decodes the same inputs together.
    Inputs are read only when a stream needs them.
    """

    def __init__(
        self,
        source: Iterable[Numbered],
        window: int,
        batches: Callable[[Sequence[EncodedExample]], Iterable[Sequence[int]]],
        streams: int,
    ) -> None:
        """``batches`` returns the indices of a window's inputs in batches, in the order in which they enter."""
        self._source = iter(source)
        self._window = window
        self._batches = batches
        self._dealt: list[deque[list[Numbered]]] = [deque() for _ in range(streams)]
        self._following = 0
        self._lock = threading.Lock()

    def of(self, stream: int) -> Iterator[list[Numbered]]:
        """The batches of one stream."""
        while True:
            with self._lock:
                while not self._dealt[stream]:
                    if not self._deal():
                        return
                batch = self._dealt[stream].popleft()
            yield batch

    def _deal(self) -> bool:
        """Deal out another window; return whether there was one."""
        window = list(islice(self._source, self._window))
        for places in self._batches([example for _, example in window]):
            self._dealt[self._following].append([window[place] for place in places])
            self._following = (self._following + 1) % len(self._dealt)
        return bool(window)
