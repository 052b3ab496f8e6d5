"""How long a study will still take, from how far its runs have come in the time since it was started."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from threading import Lock

_ENOUGH = 0.02
"""The share of the work from which on a guess is worth giving."""


class TimeLeft:
    """Runs with their steps, of which some were done before.

    Where they are evaluated (``evaluates``), how long that takes is not known before one has been: what is left is
    then that of the steps alone, and said to be so.
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
        """``run`` has come to ``step``; the first time, as far as it had come before. It may be ``evaluated`` now."""
        with self._lock:
            self._known |= evaluated and run in self._first
            self._first.setdefault(run, step)
            self._done[run] = max(step, self._done.get(run, 0))

    def end(self, run: str) -> None:
        """``run`` has ended, or will not begin."""
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
        """What is left; None where too little is done to tell."""
        share = self.share
        return (self._clock() - self._started) * (1 - share) / share if share >= _ENOUGH else None

    def __str__(self) -> str:
        """``about 3 min left``, or nothing."""
        seconds = self.seconds
        if seconds is None or self.share >= 1:
            return ""
        time_left = f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
        return f"about {time_left} left{'' if self._known else ', evaluations aside'}"
