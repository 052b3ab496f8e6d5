"""Progress bars on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Protocol, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Task, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

Item = TypeVar("Item")
TRAINING = "training"
"""The name of the task whose time left includes evaluations."""
_SHOWN_AT, _MANY = 1_000, 50_000


class Progress(Protocol):
    """Shows the progress of long work."""

    def say(self, text: str) -> None:
        """Print a line."""

    def task(self, name: str, total: int, done: int) -> Callable[[int], None]:
        """Begin a task. Call the returned function with the number of units that were completed since the last call."""

    def count(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """``items``, counted as they are consumed, if their number is unknown."""


class NoProgress:
    """Shows nothing."""

    def say(self, text: str) -> None:
        """Say nothing."""

    def task(self, name: str, total: int, done: int) -> Callable[[int], None]:
        """Begin nothing."""
        return lambda count: None

    def count(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """``items``."""
        return items


SILENT = NoProgress()


class TimeLeft(TimeRemainingColumn):
    """The estimated time left of training.

    It includes evaluations. Before the first one, it is the time of the steps alone, and is marked as such.
    """

    def __init__(self, evaluated: Callable[[], bool]) -> None:
        super().__init__()
        self._evaluated = evaluated

    def render(self, task: Task) -> Text:
        """``0:12:34``, or ``-:--:--``."""
        began = task.fields.get("began")
        if began is None or task.finished:
            return super().render(task)
        done = task.completed - began
        if done <= 0 or not task.elapsed or not self._evaluated():
            return super().render(task).append(" + evaluations")
        left = task.elapsed * ((task.total or 0) - task.completed) / done
        return Text(str(timedelta(seconds=int(left))), style="progress.remaining")


class TerminalProgress:
    """Progress bars in a terminal; elsewhere, one line for each finished task."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, markup=False, emoji=False)
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeLeft(lambda: self._evaluated),
        )
        self._evaluated = False
        self._bars = RichProgress(*columns, console=self._console, disable=not self._console.is_terminal)

    def __enter__(self) -> TerminalProgress:
        self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        with suppress(OSError):
            self._bars.stop()

    def say(self, text: str) -> None:
        """Print a line."""
        with suppress(OSError):  # the terminal was closed
            self._console.print(text, highlight=False, soft_wrap=True)

    def task(self, name: str, total: int, done: int) -> Callable[[int], None]:
        """Begin a task."""
        try:
            began = done if name == TRAINING else None
            bar = self._bars.add_task(name, total=total, completed=done, began=began)
        except OSError:  # the terminal was closed
            return lambda units: None
        count = done
        if total >= _MANY and not self._console.is_terminal:
            with suppress(OSError):
                self._console.print(f"{name}: {count}/{total}", highlight=False)

        def advance(units: int) -> None:
            nonlocal count
            count += units
            # Without a terminal, as after it was closed, there is nothing to show; a run that is to stop saves first.
            with suppress(OSError):
                show(units)

        def show(units: int) -> None:
            self._bars.update(bar, completed=count, visible=count < total or name.startswith(TRAINING))
            self._evaluated |= count >= total and name.startswith("evaluating")
            if not self._console.is_terminal and (count >= total or count * 5 // total != (count - units) * 5 // total):
                self._console.print(f"{name}: {count}/{total}", highlight=False)

        return advance

    def count(self, name: str, items: Iterator[Item]) -> Iterator[Item]:
        """``items``: a bar of unknown length, or a line for every 50,000."""
        taken = 0
        try:
            bar = self._bars.add_task(name, total=None, visible=False)
        except OSError:
            yield from items
            return
        for item in items:
            yield item
            taken += 1
            if taken % _SHOWN_AT:
                continue
            with suppress(OSError):
                self._bars.update(bar, completed=taken, visible=True)
                if not self._console.is_terminal and taken % _MANY == 0:
                    self._console.print(f"{name}: {taken:,}", highlight=False)
        with suppress(OSError):
            self._bars.update(bar, visible=False)
