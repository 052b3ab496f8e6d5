"""Log training steps."""

from __future__ import annotations

from dataclasses import asdict

from xlgen.runs.event_log import EventLog
from xlgen.training.callbacks import Callback
from xlgen.training.context import Schedule
from xlgen.training.state import TrainingState


class LogStep(Callback):
    """Logs the steps of the schedule, with the speed since the step logged before.

    The speed counts the steps themselves; checkpoints and evaluations are not part of it.
    """

    def __init__(self, log: EventLog, schedule: Schedule) -> None:
        self._log, self._schedule = log, schedule
        self._steps, self._seconds = 0, 0.0

    def after_step(self, state: TrainingState) -> None:
        """Log the step if the schedule says so."""
        result = state.result
        assert result is not None
        self._steps += 1
        self._seconds += result.seconds
        if not self._schedule.logs_at(result.step):
            return
        fields = {name: value for name, value in asdict(result).items() if value is not None}
        del fields["step"], fields["seconds"]
        speed = self._steps / max(self._seconds, 1e-9)
        self._log.log("step", result.step, **fields, steps_per_second=round(speed, 3))
        self._steps, self._seconds = 0, 0.0
