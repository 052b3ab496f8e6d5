"""A time limit for a study."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Decides whether there is time for another run, from the mean time of the previous ones."""

    def __init__(self, hours: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """Start a limit of ``hours`` from now. If None, no limit."""
        self._clock = clock
        self._end = None if hours is None else clock() + 3_600 * hours
        self._taken: list[float] = []
        self.left_out: list[str] = []
        """Runs that were skipped for lack of time."""

    def has_time(self) -> bool:
        """Whether a run that starts now would end in time. Until a run has ended, its time is taken as zero."""
        if self._end is None:
            return True
        mean = sum(self._taken) / len(self._taken) if self._taken else 0.0
        return self._clock() + mean < self._end

    def took(self, seconds: float) -> None:
        """Record the time of a finished run."""
        self._taken.append(seconds)
