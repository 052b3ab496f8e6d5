"""Advance the progress bar."""

from __future__ import annotations

from collections.abc import Callable

from xlgen.training.callbacks import Callback
from xlgen.training.state import TrainingState


class ShowProgress(Callback):
    """Advances a progress bar by one after each step."""

    def __init__(self, advance: Callable[[int], None]) -> None:
        self._advance = advance

    def after_step(self, state: TrainingState) -> None:
        """Advance the bar."""
        self._advance(1)
