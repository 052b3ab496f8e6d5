"""Estimate a study's remaining time from the progress of its runs since it was started."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock

_ENOUGH = 0.02
"""The share of the work that must be done before an estimate is shown."""


class TimeLeft:
    """Tracks the steps of runs, some of which may have been done before.

    If runs are evaluated (``evaluates``), the time of an evaluation is unknown until the first one. Until then the
    estimate covers only the steps, and says so.
    """

    def __init__(
        self, steps: Mapping[str, int], clock: Callable[[], float] = time.monotonic, evaluates: bool = False
    ) -> None:
        self._known = not evaluates
        self._steps = dict(steps)
        self._first: dict[str, int] = {}
        self._done: dict[str, int] = {}
        self._clock, self._started, self._lock = clock, clock(), Lock()

    def update(self, run: str, step: int, evaluated: bool = False) -> None:
        """Record that ``run`` is at ``step``. The first call gives the step at which it was resumed. ``evaluated`` says
        whether the latest event is a score."""
        with self._lock:
            self._known |= evaluated and run in self._first
            self._first.setdefault(run, step)
            self._done[run] = max(step, self._done.get(run, 0))

    def end(self, run: str) -> None:
        """Record that ``run`` has ended, or will not start."""
        with self._lock:
            self._known |= run in self._first
            self._first.setdefault(run, 0)
            self._done[run] = self._steps[run]

    @property
    def share(self) -> float:
        """The share of the work that is done, from 0 to 1."""
        with self._lock:
            whole = sum(self._steps[run] - self._first.get(run, 0) for run in self._steps)
            done = sum(self._done[run] - self._first[run] for run in self._first)
        return done / whole if whole > 0 else 1.0

    @property
    def seconds(self) -> float | None:
        """The remaining seconds; None if too little is done for an estimate."""
        share = self.share
        return (self._clock() - self._started) * (1 - share) / share if share >= _ENOUGH else None

    def __str__(self) -> str:
        """``about 3 min left``, or an empty string."""
        seconds = self.seconds
        if seconds is None or self.share >= 1:
            return ""
        time_left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"about {time_left} left{'' if self._known else ', without evaluations'}"
