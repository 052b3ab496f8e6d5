"""Save checkpoints.

A checkpoint is saved before the evaluation of its step, so an evaluation that fails or is killed costs no training. A
resumed run makes the evaluation that its newest checkpoint lacks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch.optim import Optimizer

from xlgen.adaptation.checkpoints import save_checkpoint
from xlgen.data.batches import BatchStream
from xlgen.data.prefetch import Prefetched
from xlgen.runs.resume_state import mark_evaluated
from xlgen.training.agreement import about_of
from xlgen.training.callbacks import Callback
from xlgen.training.callbacks.plateau import PlateauScheduler
from xlgen.training.context import Schedule, StageContext
from xlgen.training.preparation import PreparedStage
from xlgen.training.retention import apply_retention
from xlgen.training.state import TrainingState


@dataclass(frozen=True, kw_only=True)
class CheckpointSaver:
    """Saves what a stage resumes from. The main process writes, and the others wait for it."""

    context: StageContext
    schedule: Schedule
    prepared: PreparedStage
    optimizer: Optimizer
    stream: BatchStream | Prefetched
    plateau: PlateauScheduler

    def save(self, state: TrainingState) -> None:
        """Save a checkpoint of the step. It is temporary if the schedule does not ask for it."""
        context, step = self.context, state.step
        if context.is_main:
            save_checkpoint(
                context.paths.checkpoint(step),
                self.prepared.backbone,
                self.prepared.method,
                about_of(context, step),
                resume={"stream": self.stream.state(), "reduction": self.plateau.state()},
                optimizer=self.optimizer,
                evaluation_due=state.evaluation_due,
                temporary=not (self.schedule.saves_at(step) or step == self.schedule.last),
            )
            apply_retention(context.place, context.stage, context.task)
        context.set_state(step, "evaluating" if state.evaluation_due else "running")
        context.accelerator.wait_for_everyone()
        state.saved = True

    def mark_evaluated(self, step: int) -> None:
        """Record in the checkpoint of ``step`` that its evaluation is made."""
        context = self.context
        if context.is_main:
            mark_evaluated(context.paths.checkpoint(step), self.plateau.state())
            apply_retention(context.place, context.stage, context.task)  # others may be the best now
        context.set_state(step, "running")


class SaveCheckpoint(Callback):
    """Saves a checkpoint where the schedule says so, after the last step, and if the run is asked to stop."""

    def __init__(self, saver: CheckpointSaver, schedule: Schedule, stop: Callable[[], bool]) -> None:
        self._saver, self._schedule, self._stop = saver, schedule, stop

    def after_step(self, state: TrainingState) -> None:
        """Save a checkpoint if one is due."""
        if state.step == self._schedule.last or self._stop() or self._schedule.saves_at(state.step):
            self._saver.save(state)


class MarkEvaluated(Callback):
    """Records the evaluation of a step in its checkpoint, with the learning rate that a plateau has left."""

    def __init__(self, saver: CheckpointSaver) -> None:
        self._saver = saver

    def after_step(self, state: TrainingState) -> None:
        """Record the evaluation, if there is one and a checkpoint."""
        if state.saved and state.scores is not None:
            self._saver.mark_evaluated(state.step)
