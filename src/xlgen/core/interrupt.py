"""Stopping a run: the step is finished and a checkpoint saved first.

A run stops after Ctrl-C, SIGTERM, a closed terminal (SIGHUP), or a call of :func:`request_stop`, which a worker makes
when the process that started it has ended.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

from xlgen.core.registry import RunEndedError

_ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


_Handler: TypeAlias = Callable[[int, FrameType | None], object] | int | signal.Handlers | None
"""What ``signal.signal`` takes and returns."""


class InterruptedRunError(RunEndedError):
    """The run was requested to stop, and saved a checkpoint first."""


class _Request:
    """Whether a stop was requested from this process, and whether a run handles it."""

    def __init__(self) -> None:
        self.made = threading.Event()
        self.runs = 0


_request = _Request()


def request_stop() -> bool:
    """Ask the run of this process to save and stop; return whether one is in training, which then does so."""
    _request.made.set()
    return _request.runs > 0


@contextmanager
def stop_signal() -> Iterator[Callable[[], bool]]:
    """Treat the first signal as a request to stop after the step; the second one has its usual effect.

    A signal that is already ignored (SIGHUP under ``nohup``) stays ignored, except Ctrl-C.
    """
    asked = False

    def ask(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[signal.Signals(number)])

    before: dict[signal.Signals, _Handler] = {}
    if threading.current_thread() is threading.main_thread():  # elsewhere there are no signals to catch
        for number in (signal.SIGINT, *_ENDING):
            if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, ask)
    _request.runs += 1
    try:
        yield lambda: asked or _request.made.is_set()
    finally:
        _request.runs -= 1
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def exit_on_signal() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into SystemExit, so that ``finally`` blocks run; the exit code is 128 + the signal's.

    The second signal acts as usual. Without effect outside of the main thread, and for a signal that is ignored.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        for each, handler in before.items():
            signal.signal(each, handler)
        raise SystemExit(128 + number)

    before: dict[signal.Signals, _Handler] = {}
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            if signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, leave)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
