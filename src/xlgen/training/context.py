"""What is known of a stage before anything is loaded: its settings, its folder, and the schedule of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from accelerate import Accelerator

from xlgen.core.arguments import argument
from xlgen.core.config import Recipe, Stage
from xlgen.core.interrupt import InterruptedRunError
from xlgen.core.languages import Language
from xlgen.core.progress import Progress
from xlgen.data.tasks import Task
from xlgen.runs.folder import RunFolder
from xlgen.runs.paths import RunPaths
from xlgen.training.trackers import TrackerLogger


@dataclass(frozen=True, kw_only=True)
class StageContext:
    """One stage of a run, before anything is loaded: its settings, its folder, and who takes part."""

    recipe: Recipe
    index: int
    """The stage's place in the recipe."""
    task: Task | None
    """None if the stage has no labels."""
    backbone: str
    """The name of the backbone, or the folder of the model that the stage before has saved."""
    place: Path
    """The folder of the stage's log, checkpoints and predictions."""
    folder: RunFolder
    accelerator: Accelerator
    progress: Progress
    trackers: TrackerLogger
    earlier: Path | None = None
    """The stage or checkpoint whose inserted modules the method continues with."""
    until: int | None = None
    """The step to pause after. If None, the stage is trained to its last step."""

    @property
    def stage(self) -> Stage:
        """The stage's settings."""
        return self.recipe.stages[self.index]

    @property
    def paths(self) -> RunPaths:
        """The paths in the stage's folder."""
        return RunPaths(self.place)

    @property
    def is_main(self) -> bool:
        """Whether this is the process that writes files."""
        return bool(self.accelerator.is_main_process)

    @property
    def allow_unknown(self) -> bool:
        """Whether languages that the backbone does not know are allowed."""
        return self.recipe.backbone.unknown_languages == "allow"

    @property
    def pivot(self) -> str:
        """The code of the first source language."""
        return Language.parse(self.stage.source_languages[0]).code

    def set_state(self, step: int, status: str) -> None:
        """Write the run's progress, in the main process."""
        if self.is_main:
            self.folder.set_state(stage=self.index, step=step, status=status)

    def interrupt(self, step: int) -> NoReturn:
        """End a run whose checkpoint of ``step`` is saved. Raises InterruptedRunError."""
        self.set_state(step, "interrupted")
        raise InterruptedRunError(
            f"stopped after step {step}; a checkpoint is saved. Continue with {argument('resume')}"
        )


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """The steps after which a stage logs, evaluates and saves. Steps are counted from 1."""

    steps: int
    """The stage's last step."""
    last: int
    """The last step of this attempt."""
    log_every: int = 1
    evaluate_every: int | None = None
    """If None, only the last step is evaluated."""
    save_every: int | None = None
    """If None, each evaluated step is saved."""
    evaluates: bool = True
    """Whether the stage evaluates at all."""

    @classmethod
    def of(cls, context: StageContext, evaluates: bool) -> Schedule:
        """The schedule of a stage, which ``evaluates`` or only trains."""
        stage = context.stage
        return cls(
            steps=stage.training.steps,
            last=min(context.until or stage.training.steps, stage.training.steps),
            log_every=stage.training.log_every,
            evaluate_every=stage.evaluation.every,
            save_every=stage.training.save_every,
            evaluates=evaluates,
        )

    def logs_at(self, step: int) -> bool:
        """Whether ``step`` is logged."""
        return step % self.log_every == 0 or step in (1, self.steps)

    def evaluates_at(self, step: int) -> bool:
        """Whether ``step`` is followed by an evaluation."""
        due = self.evaluate_every is not None and step % self.evaluate_every == 0
        return self.evaluates and (due or step == self.steps)

    def saves_at(self, step: int) -> bool:
        """Whether the recipe asks for a checkpoint of ``step``."""
        return step % self.save_every == 0 if self.save_every else self.evaluates_at(step)
