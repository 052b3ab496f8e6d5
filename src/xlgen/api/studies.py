"""Several runs that differ in a few keys, or a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from xlgen.api.training import Run, write_report
from xlgen.core.extras import require
from xlgen.core.outputs import check_study_folder
from xlgen.experiments.budget import Budget

if TYPE_CHECKING:
    from xlgen.experiments.estimate import Estimate
    from xlgen.experiments.mirror import Mirror
    from xlgen.experiments.plan import Study as StudyPlan
    from xlgen.report.build import Report


@dataclass(frozen=True)
class Study(Run):
    """The folder of a study."""

    failed: Mapping[str, str] = field(default_factory=dict)
    """The errors of failed runs, by name."""
    left_out: tuple[str, ...] = ()
    """Runs for which ``hours`` left no time."""
    report_files: Report | None = None
    """The written report. None if a run failed, or if no run has a task and there are therefore no scores."""
    estimate: StudyEstimate | None = None
    """With ``dry_run``: the runs, and how long they would take."""

    @property
    def runs(self) -> list[Run]:
        """The runs, by name."""
        from xlgen.runs.paths import RunPaths

        folders = sorted((self.folder / "runs").glob("*"))
        return [Run(folder) for folder in folders if RunPaths(folder).recipe_file.exists()]


@dataclass(frozen=True)
class StudyEstimate:
    """The runs of a study that are known so far, and how long they would take."""

    runs: list[Estimate]
    workers: int
    """The number of parallel runs."""
    searches: bool
    """Whether a search adds runs later."""

    @property
    def missing(self) -> int:
        """The number of runs that are not done."""
        return sum(each.status != "done" for each in self.runs)

    @property
    def seconds(self) -> float | None:
        """The remaining time with all workers; None if no run could be measured."""
        known = [each.seconds for each in self.runs if each.seconds]
        return sum(known) / self.workers if known else None


def study(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    out: str | Path,
    workers: int = 0,
    only: Sequence[str] = (),
    smoke: bool = False,
    dry_run: bool = False,
    measure: bool = True,
    hours: float | None = None,
    ray: str | None = None,
    console: Console | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Study:
    """Run a study, and write its report. A second call executes only the missing runs.

    Args:
        name: A shipped study (``xlgen list recipes``), or a YAML file with ``base`` and ``runs``.
        overrides: ``key.sub=value``, applied to the base recipe.
        out: The folder of the runs and the report, or a URL that fsspec opens (``s3://...``).
        workers: Number of parallel runs, which share the cores evenly; 0 is one per core.
        only: Names of the runs to run, or patterns of names.
        smoke: Test the study: one run of each kind for two steps in the pocket world, one after another.
        dry_run: Run nothing, and estimate how long the missing runs would take.
        measure: With ``dry_run``: whether to train a few steps of each kind of run to measure the time.
        hours: Start no run that would end after this number of hours.
        ray: The address of a Ray cluster, or ``auto``; ``out`` must be storage that all nodes share.
        console: The console on which progress is shown. By default, none.
        say: Called with each progress message.

    Raises:
        InputError: if the study or ``out`` is wrong. Runs that fail are in ``Study.failed``.
    """
    require("train", "a study")
    from xlgen.experiments.execute import default_workers
    from xlgen.experiments.plan import load_study
    from xlgen.experiments.plan import only as chosen

    with _local_folder(out, say) as (folder, mirror):
        if not dry_run:
            check_study_folder(folder)
        planned = load_study(str(name), overrides)
        workers = workers or default_workers(planned)
        planned = chosen(planned, tuple(only)) if only else planned
        if dry_run:
            return Study(folder, estimate=_estimate(planned, folder, workers, measure, say))
        budget = Budget(hours)
        failed = _run(planned, folder, workers, smoke, budget, ray, mirror, console or Console(quiet=True), say)
        done = Study(folder, None, failed, tuple(budget.left_out))
        if failed or all(each.recipe.stages[-1].task is None for each in planned.runs):
            return done
        return replace(done, report_files=write_report(folder))  # while a mirror still copies the folder


@contextmanager
def _local_folder(out: str | Path, say: Callable[[str], None]) -> Iterator[tuple[Path, Mirror | None]]:
    """The folder to work in, and, if ``out`` is a URL, the mirror that copies the folder there."""
    from xlgen.experiments.mirror import is_url, mirror_of

    if not is_url(str(out)):
        yield Path(out), None
        return
    mirror = mirror_of(str(out))
    say(f"working in {mirror.folder}, which is copied to {out}")
    with mirror.kept() as folder:
        yield folder, mirror


def _run(
    planned: StudyPlan,
    folder: Path,
    workers: int,
    smoke: bool,
    budget: Budget,
    ray: str | None,
    mirror: Mirror | None,
    console: Console,
    say: Callable[[str], None],
) -> dict[str, str]:
    """Run a study in a local folder. Returns the errors of failed runs, by name."""
    from xlgen.experiments.execute import execute
    from xlgen.experiments.plan import check_identifiers
    from xlgen.experiments.search import search

    if smoke:
        from xlgen.experiments.smoke import run_smoke

        return run_smoke(planned, folder, say)
    run = execute
    if ray:
        from xlgen.experiments.on_ray import executor

        run = executor(ray, mirror)
    else:  # on a cluster, other machines need the files
        check_identifiers(planned)
    if planned.search is not None:
        return search(planned, folder, workers, console, budget, run)
    return run(planned, folder, workers, console, budget)


def _estimate(
    planned: StudyPlan, folder: Path, workers: int, measure: bool, say: Callable[[str], None]
) -> StudyEstimate:
    from xlgen.experiments.estimate import estimate
    from xlgen.experiments.worker_pool import threads_of

    found = estimate(planned, folder, threads_of(workers), say, measures=measure)
    return StudyEstimate(found, workers, planned.search is not None)
