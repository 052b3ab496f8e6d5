"""Training of runs, and their reports."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.rows import Rows
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping
from xlgen.core.outputs import check_no_run, check_study_folder
from xlgen.core.progress import Progress
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from xlgen.core.config import Overrides, Recipe
    from xlgen.report.build import Report
    from xlgen.training.callbacks import Callback

Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """The folder of a run, or of a study with several runs."""

    folder: Path
    decision: Path | None = None
    """If the run is a search (``auto=True``), the page that explains which run was chosen and why."""

    @property
    def metrics(self) -> Rows:
        """The scores of every evaluation, and their averages over the languages without labels (``mean-non-source``).

        Raises InputError if nothing has been evaluated yet.
        """
        from xlgen.runs.rows import collect

        return Rows(collect(self.folder))

    @property
    def checkpoints(self) -> list[Path]:
        """The folders of the checkpoints, in the order of their steps. A search has only the chosen one."""
        require("train", "opening checkpoints")
        from xlgen.runs.checkpoints import checkpoints_of
        from xlgen.runs.files import CHOSEN

        chosen = self.folder / CHOSEN
        return checkpoints_of(self.folder) or ([chosen] if chosen.is_dir() else [])

    @property
    def recipe(self) -> JsonMapping:
        """The resolved recipe. Raises InputError if the folder is not a run."""
        from xlgen.runs.recipes import read_resolved

        return read_resolved(self.folder).recipe

    def report(self) -> Path:
        """Write ``report.html``, ``summary.json`` and ``tables/``, and return the path of the page."""
        return build_report(self.folder)


def folder_of(run: str | Path | Run) -> Path:
    """The folder of ``run``."""
    return run.folder if isinstance(run, Run) else Path(run)


def train(
    recipe: str | Path | JsonMapping | Recipe,
    overrides: Overrides = (),
    *,
    out: str | Path,
    resume: bool = False,
    smoke: bool = False,
    auto: bool = False,
    hours: float | None = None,
    workers: int = 0,
    callbacks: Sequence[Callback] = (),
    progress: Progress | None = None,
    console: Console | None = None,
    say: Say = lambda text: None,
) -> Run:
    """Train one run and evaluate it in every target language.

    Args:
        recipe: A shipped recipe, a YAML file, or its content.
        overrides: Keys to change, ``{"training.learning_rate": 1e-4}`` or ``["training.learning_rate=1e-4"]``.
        out: The run's folder.
        resume: Continue the run in ``out`` from its newest checkpoint.
        smoke: Test the recipe: train two steps per stage on a pocket backbone, with pocket tasks and text.
        auto: Search for the best method and learning rate without target labels, and keep the best checkpoint.
        hours: With ``auto``: start no run that would end after this number of hours.
        workers: With ``auto``: number of parallel runs; 0 is one per core.
        callbacks: Objects to call after every step of every stage (:class:`xlgen.training.callbacks.Callback`). They
            cannot be combined with ``auto``, whose runs train in other processes.
        progress: Display of the progress. By default, none.
        console: With ``auto``: the console on which progress is shown. By default, none.
        say: Called with each progress message.

    Raises:
        InputError: if an argument, the recipe, its data or ``out`` is wrong, before training starts.
        RunEndedError: if training diverged or was interrupted, or a search could not decide.
    """
    require("train", "training")
    if auto and callbacks:
        raise InputError("callbacks are not called in a search (auto=True), whose runs train in other processes")
    folder = Path(out)
    from xlgen.core.config import load_recipe

    def check_tasks(config: Recipe) -> None:
        from xlgen.data.tasks import task_of_stage

        for stage in () if smoke else config.stages:  # a smoke run replaces the tasks
            task_of_stage(stage, Path(config.data_dir))

    config = load_recipe(recipe, overrides, check_tasks)
    check_no_run(folder, argument("out"))
    if auto:
        check_study_folder(folder)
    # Everything that can be checked without PyTorch has been checked; importing it takes seconds.
    say("loading libraries")
    if smoke:
        from xlgen.experiments.smoke import smoke_recipe, stand_in_identifiers

        for text in stand_in_identifiers([config]):
            say(text)
        config = smoke_recipe(config)
    if auto:
        from xlgen.experiments.auto import auto as decide
        from xlgen.report.decision import write_decision

        decision = decide(config, folder, workers or os.cpu_count() or 1, console or _quiet(), hours)
        return Run(folder, write_decision(decision, folder))
    from xlgen.training.run import train as run

    run(config, folder, resume=resume, progress=progress, callbacks=callbacks)
    return Run(folder)


def _quiet() -> Console:
    from rich.console import Console

    return Console(quiet=True)


def build_report(run: str | Path | Run) -> Path:
    """Write ``report.html``, ``summary.json`` and ``tables/`` of a run or a study, and return the path of the page.

    Raises InputError if the folder has no run, or no scores and no analyses.
    """
    return write_report(folder_of(run)).page


def write_report(folder: Path) -> Report:
    """Write a report, as :func:`build_report`, and return all its files and the main table."""
    require("report", "a report")
    from xlgen.report.build import build_report as build

    return build(folder)
