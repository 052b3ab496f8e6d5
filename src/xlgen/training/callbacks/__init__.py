"""What happens around the steps of a stage: one callback a file.

``xlgen.training.stage`` lists the callbacks in the order in which they are called. A callback may read and change the
:class:`~xlgen.training.state.TrainingState`, and must do the same in every process.
"""

from __future__ import annotations

from xlgen.training.state import TrainingState


class Callback:
    """Base of all callbacks. Its methods do nothing."""

    def before_training(self, state: TrainingState) -> None:
        """Called once, before the first step of this attempt."""

    def after_step(self, state: TrainingState) -> None:
        """Called after each step. An exception ends the run."""
