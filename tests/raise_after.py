"""A callback that ends a run in the middle, as if the process had been killed."""

from xlgen.training.callbacks import Callback
from xlgen.training.state import TrainingState


class Killed(BaseException):
    """Simulates the end of the process: no code catches it."""


class RaiseAfter(Callback):
    """Raises an error after a step, when everything else after that step is done."""

    def __init__(self, step: int, error: BaseException | None = None) -> None:
        self._step, self._error = step, error or Killed()

    def after_step(self, state: TrainingState) -> None:
        if state.step == self._step:
            raise self._error
