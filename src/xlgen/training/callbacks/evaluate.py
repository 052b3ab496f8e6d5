"""Evaluate the model in every language."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from xlgen.backbones.checking import WeightsError
from xlgen.evaluation.evaluate import empty_inputs, evaluate, score_rows
from xlgen.runs.evaluations import write_predictions
from xlgen.runs.event_log import EventLog
from xlgen.scoring.predictions import PredictionRow
from xlgen.training.callbacks import Callback
from xlgen.training.callbacks.save_checkpoint import CheckpointSaver
from xlgen.training.context import StageContext
from xlgen.training.loop import TrainingDivergedError
from xlgen.training.preparation import PreparedStage
from xlgen.training.state import Scores, TrainingState


@dataclass(frozen=True)
class Evaluator:
    """Predicts in every language, writes the predictions, scores them, and logs the scores."""

    context: StageContext
    prepared: PreparedStage
    log: EventLog

    def evaluate(self, step: int, stop: Callable[[], bool] = lambda: False) -> Scores:
        """Evaluate the model after ``step``; the scores, which only the main process has.

        Raises:
            InterruptedRunError: if ``stop`` returns true in the middle of the evaluation.
            TrainingDivergedError: if the last step has left weights that are not finite.
        """
        predictions = self._predict(step, stop)
        scores: Scores = {}
        if self.context.is_main:
            write_predictions(self.context.paths.predictions_at(step), predictions)
            scores = self._score(step, predictions)
            self._measure_xlrs(step, scores)
            for rows in scores.values():
                for row in rows:
                    self.log.log("figure", step, **asdict(row))
        self.context.accelerator.wait_for_everyone()
        return scores

    def _predict(self, step: int, stop: Callable[[], bool]) -> dict[str, list[PredictionRow]]:
        context = self.context
        assert context.task is not None
        count = sum(map(len, self.prepared.examples.values())) // context.accelerator.num_processes
        advance = context.progress.task(f"evaluating at step {step}", count, 0)

        def progress(units: int) -> None:
            advance(units)
            if stop() and context.accelerator.num_processes == 1:  # several processes would wait for each other
                context.interrupt(step)

        try:
            return evaluate(
                self.prepared.backbone,
                self.prepared.method,
                context.task,
                context.stage.evaluation,
                self.prepared.examples,
                accelerator=context.accelerator,
                progress=progress,
                source_language=context.pivot,
            )
        except WeightsError as error:
            raise TrainingDivergedError(str(error)) from None

    def _score(self, step: int, predictions: dict[str, list[PredictionRow]]) -> Scores:
        """Score the predictions, and log their counts."""
        task, stage = self.context.task, self.context.stage
        assert task is not None
        scores: Scores = {}
        for language, rows in predictions.items():
            cropped = sum(row["cropped_tokens"] > 0 for row in rows)
            counts = {"examples": len(rows), "cropped_sources": cropped, "empty_inputs": empty_inputs(rows)}
            self.log.log("evaluated", step, language=language, **counts)
            scores[language] = score_rows(
                rows,
                task,
                language,
                stage.evaluation.bootstrap,
                lid=stage.evaluation.lid,
                options=stage.evaluation.metric_options,
                sources=stage.source_languages,
                split=stage.evaluation.split,
            )
        return scores

    def _measure_xlrs(self, step: int, scores: Scores) -> None:
        """Add XLRS on the parallel texts to the scores, and log how long that took."""
        texts, evaluation = self.prepared.parallel, self.context.stage.evaluation
        if texts is None:
            return
        started = time.monotonic()
        found = texts.measure(self.prepared.backbone, self.prepared.method, evaluation.precision, evaluation.bootstrap)
        self.log.log("xlrs", step, texts=len(texts.ids), seconds=round(time.monotonic() - started, 3))
        for language, row in found.items():
            scores.setdefault(language, []).append(row)


class Evaluate(Callback):
    """Makes the evaluation that is due. If it fails, a checkpoint of the step is saved first."""

    def __init__(self, evaluator: Evaluator, saver: CheckpointSaver, stop: Callable[[], bool]) -> None:
        self._evaluator, self._saver, self._stop = evaluator, saver, stop

    def after_step(self, state: TrainingState) -> None:
        """Evaluate if that is due.

        The state of the random numbers is restored, so training continues in the same way whether a run resumes before
        or after the evaluation.
        """
        if not state.evaluation_due:
            return
        generator_state = torch.get_rng_state()
        try:
            state.scores = self._evaluator.evaluate(state.step, self._stop)
        except Exception:
            torch.set_rng_state(generator_state)
            if not state.saved:
                self._saver.save(state)
            raise
        torch.set_rng_state(generator_state)
        state.evaluation_due = False
