"""The paths of a run's files. Other folders of the package do not spell their names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xlgen.core import run_layout
from xlgen.runs.files import step_folders


@dataclass(frozen=True)
class RunPaths:
    """The paths in the folder of a run. The folder of a stage has a log, checkpoints and predictions too."""

    path: Path

    @property
    def recipe_file(self) -> Path:
        """The resolved recipe."""
        return self.path / run_layout.RECIPE

    @property
    def log_file(self) -> Path:
        """The event log."""
        return self.path / run_layout.LOG

    @property
    def state_file(self) -> Path:
        """How far the run has come."""
        return self.path / run_layout.STATE

    @property
    def lock_file(self) -> Path:
        """The file that a process locks while it trains in the folder."""
        return self.path / run_layout.LOCK

    @property
    def summary_file(self) -> Path:
        """All scores, as rows."""
        return self.path / run_layout.SUMMARY

    @property
    def page_file(self) -> Path:
        """The report."""
        return self.path / run_layout.PAGE

    @property
    def tables(self) -> Path:
        """The folder of the report's tables."""
        return self.path / run_layout.TABLES

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints."""
        return self.path / run_layout.CHECKPOINTS

    @property
    def predictions(self) -> Path:
        """The folder of the predictions of all evaluations."""
        return self.path / run_layout.PREDICTIONS

    @property
    def stages(self) -> Path:
        """The folder of the stages before the last one."""
        return self.path / run_layout.STAGES

    @property
    def evaluations(self) -> Path:
        """The folder of the results of ``xlgen evaluate``."""
        return self.path / run_layout.EVALUATIONS

    @property
    def analysis(self) -> Path:
        """The folder of the results of ``xlgen analyze``."""
        return self.path / run_layout.ANALYSIS

    @property
    def model(self) -> Path:
        """The folder of the whole model that a stage leaves for the next one."""
        return self.path / run_layout.MODEL

    def checkpoint(self, step: int) -> Path:
        """The folder of the checkpoint of ``step``."""
        return self.checkpoints / f"step-{step}"

    def predictions_at(self, step: int) -> Path:
        """The folder of the predictions of the evaluation at ``step``."""
        return self.predictions / f"step-{step}"

    def evaluated_steps(self) -> list[tuple[int, Path]]:
        """The steps with predictions, lowest first, and the folders of these."""
        return step_folders(self.predictions)

    def stage(self, index: int, count: int) -> Path:
        """The folder of a stage's files; for the last of ``count`` stages, the run's folder itself."""
        return self.path if index == count - 1 else self.stages / str(index)


def stage_of_checkpoint(checkpoint: Path) -> tuple[Path, int]:
    """The folder of the run that a checkpoint belongs to, and the index of its stage; -1 for the last stage."""
    stage = checkpoint.parent.parent  # STAGE/checkpoints/step-N; the last stage is in the run's own folder
    if stage.parent.name == run_layout.STAGES and stage.name.isdecimal():
        return stage.parent.parent, int(stage.name)
    return stage, -1


def is_checkpoint(folder: Path) -> bool:
    """Whether ``folder`` is a checkpoint."""
    return (folder / run_layout.ABOUT).exists()


def has_checkpoints(folder: Path) -> bool:
    """Whether ``folder`` is a checkpoint, or a run's or a stage's folder with checkpoints."""
    return is_checkpoint(folder) or RunPaths(folder).checkpoints.is_dir()
