"""End a run that was asked to stop."""

from __future__ import annotations

from collections.abc import Callable

from xlgen.training.callbacks import Callback
from xlgen.training.callbacks.save_checkpoint import CheckpointSaver
from xlgen.training.context import Schedule
from xlgen.training.state import TrainingState


class StopOnSignal(Callback):
    """Ends the run after Ctrl-C or SIGTERM, with a checkpoint of the step; not if there is nothing left to do."""

    def __init__(self, saver: CheckpointSaver, schedule: Schedule, stop: Callable[[], bool]) -> None:
        self._saver, self._schedule, self._stop = saver, schedule, stop

    def after_step(self, state: TrainingState) -> None:
        """Raise InterruptedRunError if the run was asked to stop."""
        if self._stop() and (state.evaluation_due or state.step != self._schedule.last):
            if not state.saved:
                self._saver.save(state)
            state.context.interrupt(state.step)
