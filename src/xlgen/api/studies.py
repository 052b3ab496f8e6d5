"""Several runs that differ in a few keys, or a search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.training import Run
from xlgen.core.outputs import check_study_folder

if TYPE_CHECKING:
    from rich.console import Console

    from xlgen.experiments.estimate import Estimate
    from xlgen.experiments.mirror import Mirror


@dataclass(frozen=True)
class Study(Run):
    """The folder of a study."""

    failed: Mapping[str, str] = field(default_factory=dict)
    """What went wrong, by the names of the runs that failed."""
    left_out: tuple[str, ...] = ()
    """Runs for which ``hours`` left no time."""
    generates: bool = True
    """Whether the runs have a task, and so scores to report."""

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


@contextmanager
def place_of(out: str | Path, say: Callable[[str], None] = lambda text: None) -> Iterator[tuple[Path, Mirror | None]]:
    """The folder to work in, and, if ``out`` is a URL, what copies the folder there."""
    from xlgen.experiments.mirror import is_url, mirror_of

    if not is_url(str(out)):
        yield Path(out), None
        return
    mirror = mirror_of(str(out))
    say(f"working in {mirror.folder}, which is copied to {out}")
    with mirror.kept() as folder:
        yield folder, mirror


def study(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    out: str | Path,
    workers: int = 0,
    only: Sequence[str] = (),
    smoke: bool = False,
    hours: float | None = None,
    ray: str | None = None,
    console: Console | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Study:
    """Run a study; called again, it does what is missing.

    Args:
        name: A shipped study, or a YAML file with ``base`` and ``runs``.
        overrides: ``key.sub=value``, applied to the base recipe.
        out: The folder of the runs and the report, or a URL of fsspec (``s3://...``).
        workers: Number of parallel runs, which share the cores evenly; 0 is one a core.
        only: Names of runs, or patterns of them, that alone are run.
        smoke: One run of each kind for two steps in the pocket world, one after another.
        hours: Start no run that would end later.
        ray: The address of a Ray cluster, or ``auto``; ``out`` must be storage that all nodes share.
        console: Where progress is shown; by default nowhere.
        say: Receives lines about what happens.

    Raises:
        InputError: if the study or ``out`` is wrong. Runs that fail are in ``Study.failed``.
    """
    with place_of(out, say) as (folder, mirror):
        return run_study(str(name), folder, overrides, workers, only, smoke, hours, ray, mirror, console, say)


def run_study(
    name: str,
    folder: Path,
    overrides: Sequence[str],
    workers: int,
    only: Sequence[str],
    smoke: bool,
    hours: float | None,
    ray: str | None,
    mirror: Mirror | None,
    console: Console | None,
    say: Callable[[str], None],
) -> Study:
    """``study`` in a local folder."""
    from rich.console import Console

    from xlgen.experiments.budget import Budget
    from xlgen.experiments.execute import default_workers, execute
    from xlgen.experiments.plan import check_identifiers, load_study
    from xlgen.experiments.plan import only as chosen
    from xlgen.experiments.search import search

    check_study_folder(folder)
    planned = load_study(name, overrides)
    workers = workers or default_workers(planned)
    if only:
        planned = chosen(planned, tuple(only))
    budget, shown = Budget(hours), console or Console(quiet=True)
    if smoke:
        from xlgen.experiments.smoke import run_smoke

        failed = run_smoke(planned, folder, say)
    else:
        run = execute
        if ray:
            from xlgen.experiments.on_ray import executor

            run = executor(ray, mirror)
        else:  # on a cluster the files are needed on other machines
            check_identifiers(planned)
        if planned.search is not None:
            failed = search(planned, folder, workers, shown, budget, run)
        else:
            failed = run(planned, folder, workers, shown, budget)
    generates = any(each.recipe.stages[-1].task is not None for each in planned.runs)
    return Study(folder, None, failed, tuple(budget.left_out), generates)


def estimate_study(
    name: str | Path,
    overrides: Sequence[str] = (),
    *,
    out: str | Path,
    workers: int = 0,
    only: Sequence[str] = (),
    measures: bool = True,
    say: Callable[[str], None] = lambda text: None,
) -> StudyEstimate:
    """What :func:`study` would run, and how long it would take, from a few measured steps of each kind of run.

    Arguments as for :func:`study`; without ``measures``, no step is trained and no time is known.
    """
    from xlgen.experiments.estimate import estimate
    from xlgen.experiments.execute import default_workers
    from xlgen.experiments.plan import load_study
    from xlgen.experiments.plan import only as chosen
    from xlgen.experiments.worker_pool import threads_of

    with place_of(out, say) as (folder, _):
        planned = load_study(str(name), overrides)
        workers = workers or default_workers(planned)
        planned = chosen(planned, tuple(only)) if only else planned
        found = estimate(planned, folder, threads_of(workers), say, measures=measures)
        return StudyEstimate(found, workers, planned.search is not None)
