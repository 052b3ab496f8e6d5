"""Train one stage of a run: a numbered story, and the list of what happens after each step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate.utils import set_seed
from torch.optim import Optimizer

from xlgen.adaptation import checkpoints as store
from xlgen.core.interrupt import stop_signal
from xlgen.core.progress import TRAINING
from xlgen.data.batches import BatchStream
from xlgen.data.prefetch import prefetched
from xlgen.runs.checkpoints import newest_checkpoint
from xlgen.runs.event_log import EventLog
from xlgen.runs.resume_state import evaluation_due
from xlgen.training.agreement import check_resumable
from xlgen.training.callbacks import Callback
from xlgen.training.callbacks.evaluate import Evaluate, Evaluator
from xlgen.training.callbacks.log_step import LogStep
from xlgen.training.callbacks.plateau import PlateauScheduler
from xlgen.training.callbacks.save_checkpoint import CheckpointSaver, MarkEvaluated, SaveCheckpoint
from xlgen.training.callbacks.show_progress import ShowProgress
from xlgen.training.callbacks.stop_on_signal import StopOnSignal
from xlgen.training.context import Schedule, StageContext
from xlgen.training.loop import Learner, StepResult, train_loop
from xlgen.training.optimizer import build_optimizer
from xlgen.training.preparation import PreparedStage, prepare_stage
from xlgen.training.retention import apply_retention, best_on_source
from xlgen.training.state import TrainingState

_PREFETCHED = 256
"""Default number of batches made ahead for an accelerator. It exceeds one window of examples, whose batches are all
made at once."""


def train_stage(context: StageContext, *, keep_model: bool, callbacks: Sequence[Callback] = ()) -> None:
    """Train one stage of a run, or continue from its newest checkpoint.

    Args:
        context: The stage and its folder.
        keep_model: Save the whole model at the end, for the next stage to start from.
        callbacks: Called after the stage's own callbacks.

    Raises:
        InputError: if something cannot be done as the recipe asks.
        TrainingDivergedError: if the loss is no longer finite.
        InterruptedRunError: after Ctrl-C or SIGTERM, with a checkpoint saved.
    """
    # 1. Load the backbone, adapt it, and make the batches. What cannot be done is an error here, before training.
    set_seed(context.recipe.seed)
    prepared = prepare_stage(context)
    backbone, method = prepared.backbone, prepared.method
    # 2. Find the newest checkpoint of an earlier attempt, and open the log.
    context.place.mkdir(parents=True, exist_ok=True)
    start = _StartingPoint.find(context, prepared)
    on_event = context.trackers.stage(context.index, start.step)
    log = EventLog(context.paths.log_file, context.is_main, on_event)
    # 3. Hand the model and the optimizer to the device and the processes. Restore what the checkpoint has of them.
    if start.checkpoint is not None:
        store.restore(start.checkpoint, backbone, method)
    optimizer = build_optimizer(backbone.model.named_parameters(), context.stage.training, backbone.depth)
    model, optimizer = context.accelerator.prepare(backbone.model, optimizer)
    plateau = PlateauScheduler(context.stage.training.plateau, context.stage.source_languages)
    torch.manual_seed(context.recipe.seed)
    start.restore_state(optimizer, prepared.stream, plateau)
    # 4. Remove the log events and the checkpoints that this attempt will make again.
    context.set_state(start.step, "running")
    log.cut_after(start.step if start.checkpoint else -1, start.evaluation_due)
    if context.is_main:
        apply_retention(context.place, context.stage, context.task)
    # 5. In the first attempt, describe the data in the log, and evaluate the model as it is before training.
    evaluator = Evaluator(context, prepared, log)
    if start.checkpoint is None:
        log.log("start", 0, **prepared.summary(context))
        if prepared.examples and context.stage.evaluation.at_start:
            evaluator.evaluate(0)
            torch.manual_seed(context.recipe.seed)  # so that training is the same with and without this evaluation
    # 6. Train. After each step: log, save, evaluate, and stop if asked to.
    learner = Learner(
        backbone=backbone,
        method=method,
        model=model,
        optimizer=optimizer,
        training=context.stage.training,
        accelerator=context.accelerator,
        penalty=prepared.penalty,
    )
    _train(learner, start, evaluator=evaluator, plateau=plateau, callbacks=callbacks)
    # 7. Save the whole model for the next stage to start from.
    if keep_model and context.is_main:
        if context.stage.training.next_from == "best":
            store.restore(best_on_source(context.place), backbone, method)
        store.save_model(context.paths.model, backbone)
    context.accelerator.wait_for_everyone()


@dataclass(frozen=True)
class _StartingPoint:
    """Where training starts: at the newest checkpoint of an earlier attempt, or at step 0."""

    checkpoint: Path | None = None
    step: int = 0
    evaluation_due: bool = False
    """Whether the earlier attempt did not make the evaluation of this step."""

    @classmethod
    def find(cls, context: StageContext, prepared: PreparedStage) -> _StartingPoint:
        """Find the newest checkpoint. Raises InputError if it belongs to another run."""
        newest = newest_checkpoint(context.place)
        if newest is None:
            return cls()
        saved = check_resumable(context, newest, prepared.backbone)
        return cls(newest, saved.step, evaluation_due(newest))

    def restore_state(self, optimizer: Optimizer, stream: BatchStream, plateau: PlateauScheduler) -> None:
        """Restore everything but the weights. Raises BackboneError if the checkpoint is damaged."""
        if self.checkpoint is None:
            return
        saved = store.load_resume(self.checkpoint, optimizer, len(stream.parts))
        stream.restore(saved["stream"])
        plateau.restore(saved["reduction"])


def _prefetch_depth(context: StageContext) -> int:
    """How many batches are made ahead."""
    default = 0 if context.accelerator.device.type == "cpu" else _PREFETCHED
    return default if context.stage.training.prefetch is None else context.stage.training.prefetch


def _train(
    learner: Learner,
    start: _StartingPoint,
    *,
    evaluator: Evaluator,
    plateau: PlateauScheduler,
    callbacks: Sequence[Callback],
) -> None:
    """Train to the last step of this attempt, with the stage's own callbacks and the given ones."""
    context, prepared = evaluator.context, evaluator.prepared
    schedule = Schedule.of(context, evaluates=bool(prepared.examples))
    state = TrainingState(
        context=context,
        prepared=prepared,
        step=start.step,
        evaluation_due=start.evaluation_due,
        saved=start.checkpoint is not None,
    )
    parts = (context.task is not None) + len(context.stage.unlabelled)
    bar = context.progress.task(TRAINING if prepared.examples else "training on text", schedule.steps, start.step)
    with prefetched(prepared.stream, _prefetch_depth(context)) as stream, stop_signal() as stop:
        saver = CheckpointSaver(
            context=context,
            schedule=schedule,
            prepared=prepared,
            optimizer=learner.optimizer,
            stream=stream,
            plateau=plateau,
        )
        stopping = StopOnSignal(saver, schedule, stop)
        evaluating = [Evaluate(evaluator, saver, stop), plateau, MarkEvaluated(saver)]
        # A step is saved before it is evaluated, so an evaluation that fails or is killed costs no training.
        saving = [LogStep(evaluator.log, schedule), ShowProgress(bar), SaveCheckpoint(saver, schedule, stop)]
        everything = [*saving, stopping, *evaluating, stopping, *callbacks]

        def after_step(result: StepResult) -> None:
            state.advance(result, schedule.evaluates_at(result.step))
            for callback in everything:
                callback.after_step(state)

        for callback in evaluating:
            callback.after_step(state)  # the evaluation that the newest checkpoint lacks
        for callback in everything:
            callback.before_training(state)
        steps = range(start.step, schedule.last)
        train_loop(learner, stream, steps, after_step, reduction=lambda: plateau.factor, by_part=parts > 1)
