"""A limit on the time that a study may take."""

from __future__ import annotations

import time
from collections.abc import Callable


class Budget:
    """Says whether there is time for another run, as long as those before took on average."""

    def __init__(self, hours: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        """``hours`` from now on; None: as long as it takes."""
        self._clock = clock
        self._end = None if hours is None else clock() + 3_600 * hours
        self._taken: list[float] = []
        self.left_out: list[str] = []
        """Runs that there was no time for."""

    def has_time(self) -> bool:
        """Whether a run that begins now would end in time; the first ones always may begin."""
        if self._end is None:
            return True
        mean = sum(self._taken) / len(self._taken) if self._taken else 0.0
        return self._clock() + mean < self._end

    def took(self, seconds: float) -> None:
        """Note how long a run took."""
        self._taken.append(seconds)
