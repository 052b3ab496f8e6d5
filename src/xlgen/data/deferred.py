"""Inputs whose error is raised only after the results of everything before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


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
