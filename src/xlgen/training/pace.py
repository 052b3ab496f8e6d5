"""How fast training is at the moment: steps a second since the last time that was asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Pace:
    """A clock of steps that stands still while it is paused.

    Args:
        step: The number of steps that were done before it starts.
    """

    def __init__(self, step: int) -> None:
        self._step, self._since = step, time.monotonic()

    def rate(self, step: int) -> float:
        """Steps a second since the last call, or since the start; what was paused does not count."""
        now = time.monotonic()
        found = (step - self._step) / max(now - self._since, 1e-9)
        self._step, self._since = step, now
        return found

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the time within out: checkpoints and evaluations."""
        begun = time.monotonic()
        try:
            yield
        finally:
            self._since += time.monotonic() - begun
