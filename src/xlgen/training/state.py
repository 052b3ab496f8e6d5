"""The state of a stage in training, which callbacks read and change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from xlgen.metrics.score import Row
from xlgen.training.context import StageContext
from xlgen.training.loop import StepResult
from xlgen.training.preparation import PreparedStage

Scores: TypeAlias = dict[str, list[Row]]
"""The scores of an evaluation, by language."""


@dataclass(kw_only=True)
class TrainingState:
    """A stage in training, as callbacks see it after each step."""

    context: StageContext
    prepared: PreparedStage
    step: int
    """The number of steps done."""
    result: StepResult | None = None
    """The measurements of the newest step; None before the first one."""
    evaluation_due: bool = False
    """Whether the evaluation of the step has yet to be made."""
    saved: bool = False
    """Whether there is a checkpoint of the step."""
    scores: Scores | None = None
    """The scores of the step's evaluation (empty in processes other than the main one); None without an evaluation."""

    def advance(self, result: StepResult, evaluation_due: bool) -> None:
        """Move on to a new step."""
        self.step, self.result = result.step, result
        self.evaluation_due, self.saved, self.scores = evaluation_due, False, None
