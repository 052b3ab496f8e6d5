"""Inputs on their way to the searches: read a window at a time, the longest of each first, dealt out among streams."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Generic, TypeVar

from xlgen.data.examples import EncodedExample

_Item = TypeVar("_Item")

Numbered = tuple[int, EncodedExample]
"""An input, and which of the caller's it is."""


class Deferred(Generic[_Item]):
    """An iterator that ends where the one it goes over fails, so that what came before can be worked off first."""

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
        except Exception as error:  # whatever it is, it is raised again by `finish`
            self._error = error
            raise StopIteration from None

    def finish(self) -> None:
        """Raise what it failed with."""
        if self._error is not None:
            raise self._error


class Inputs:
    """What the streams of a search take their inputs from, each from a thread of its own.

    Batches go round the streams, whoever is faster, so that who is decoded with whom is the same again each time. No
    more is read than a stream asks for.
    """

    def __init__(
        self,
        source: Iterable[Numbered],
        window: int,
        batches: Callable[[Sequence[EncodedExample]], Iterable[Sequence[int]]],
        streams: int,
    ) -> None:
        """``batches`` gives the places of a window's inputs, in the order in which they are to enter."""
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
        """Hand out another window; whether there was one."""
        window = list(islice(self._source, self._window))
        for places in self._batches([example for _, example in window]):
            self._dealt[self._following].append([window[place] for place in places])
            self._following = (self._following + 1) % len(self._dealt)
        return bool(window)
