"""Commands that train and report: quickstart, study, train, report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.studies import Study, place_of
from xlgen.api.studies import run_study as run_in_folder
from xlgen.api.studies import study as run_study
from xlgen.api.training import train as train_run
from xlgen.cli.console import app, codes_of, err, finite, out, plain, say, show
from xlgen.cli.dependent import excludes, needs
from xlgen.core.progress import TerminalProgress


def _say(text: str) -> None:
    """A line on standard error."""
    err.print(plain(text), highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen quickstart --out runs/quickstart")
def quickstart(
    folder: Annotated[Path, typer.Option("--out", help="Where the runs and the report go.")] = Path("runs/quickstart"),
    workers: Annotated[
        int, typer.Option(min=0, max=1_024, help="Runs side by side, which share the cores evenly; 0 means one a core.")
    ] = 0,
) -> None:
    """The main job on the embedded default: finetune on English, generate in 12 languages, report."""
    from xlgen.experiments.quickstart import NAME, overrides_for

    overrides = overrides_for(folder, _say)
    _finish(run_study(NAME, overrides, out=folder, workers=workers, console=err, say=_say))


@app.command(epilog="Example: xlgen study pocket-grid --out runs/pocket-grid --workers 2")
@needs("--dry-run", "no_measure")
@excludes("--no-measure", "workers", why="says nothing of time")
@excludes("--dry-run", "smoke", "hours", "ray", why="runs nothing")
@excludes("--smoke", "workers", "hours", "ray", why="runs one by one on this machine")
@excludes("--ray", "workers", why="runs what the cluster has room for")
def study(
    name: Annotated[str, typer.Argument(help="A shipped study or a YAML file with `base` and `runs`.")],
    place: Annotated[
        str, typer.Option("--out", help="Where the runs and the report go: a folder, or a URL of fsspec's (s3://...).")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value, applied to the base recipe.")] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=1_024, help="Runs side by side, which share the cores evenly; 0 means one a core.")
    ] = 0,
    only: Annotated[
        str | None, typer.Option(help="Only the runs with these names, comma-separated: 'prompt-base-*'.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="One run of each kind for two steps in the pocket world, one by one.")
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Say what would run, what is done, and how long the rest would take, from a few measured steps of "
            "each kind of run.",
        ),
    ] = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="With --dry-run: train no steps, and say nothing of time.")
    ] = False,
    hours: Annotated[
        float | None, typer.Option(min=0, max=1e6, callback=finite, help="Begin no run that would end later.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="A Ray cluster's address, or auto; --out must be storage that all nodes share.")
    ] = None,
) -> None:
    """Several runs that differ in a few keys, or a search; running it again does what is missing."""
    if dry_run:
        with place_of(place, say) as (folder, _):
            _dry_run(name, folder, workers, overrides or (), runs=only, measures=not no_measure)
        return
    with place_of(place, say) as (folder, mirror):
        names = codes_of(only, "--only") if only else ()
        _finish(run_in_folder(name, folder, overrides or (), workers, names, smoke, hours, ray, mirror, err, _say))


def _dry_run(
    name: str, folder: Path, workers: int, overrides: Sequence[str], *, runs: str | None, measures: bool
) -> None:
    from rich.table import Table

    from xlgen.experiments.estimate import estimate
    from xlgen.experiments.execute import default_workers
    from xlgen.experiments.plan import load_study, only
    from xlgen.experiments.worker_pool import threads_of

    planned = load_study(name, overrides)
    workers = workers or default_workers(planned)
    planned = only(planned, codes_of(runs, "--only")) if runs else planned
    found = estimate(planned, folder, threads_of(workers), say, measures=measures)
    table = Table("run", "state", "left")
    for each in found:
        table.add_row(each.run.name, each.status, plain(each.why) if each.seconds is None else _duration(each.seconds))
    show(table)
    left = sum(each.seconds or 0.0 for each in found)
    missing = sum(each.status != "done" for each in found)
    more = ", and more as the search goes on" if planned.search else ""
    known = any(each.seconds for each in found)
    time = f"; about {_duration(left / workers)} with {workers} workers" if known else ""
    time = "; how long they would take is not known" if measures and missing and not known else time
    out.print(f"{missing} of {len(found)} runs are left{more}{time}", highlight=False)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"


def _finish(done: Study) -> None:
    """Print what failed and where the results are. Exits with 1 if a run failed."""
    from xlgen.experiments.execute import failures

    if done.left_out:
        err.print(f"no time for {len(done.left_out)} runs: {', '.join(done.left_out)}", highlight=False)
    for line in failures(dict(done.failed)):
        say(line, "failed:")
    if done.failed:
        raise typer.Exit(1)
    if done.generates:
        _report(done.folder)
    else:
        out.print(f"runs     {done.folder / 'runs'}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen train squad-xquad data_dir=../shared/data training.steps=300 --out runs/squad")
@needs("--auto", "hours", "workers")
@excludes("--auto", "resume", why="resumes when the same command is run again")
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe (`xlgen list recipes`) or a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.sub=value, e.g. training.learning_rate=1e-4.")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="The run's folder.")] = ...,  # type: ignore[assignment]
    resume: Annotated[bool, typer.Option(help="Go on with the run in --out from its newest checkpoint.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Two steps a stage on a pocket backbone, with pocket tasks and text.")
    ] = False,
    auto: Annotated[
        bool, typer.Option("--auto", help="Search method and learning rate without target labels, and take the best.")
    ] = False,
    hours: Annotated[
        float | None,
        typer.Option(min=0, max=1e6, callback=finite, help="With --auto: begin no run that would end later."),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=1_024, help="With --auto: runs side by side; 0 means one a core.")
    ] = 0,
) -> None:
    """One run: train, evaluate every target language, report."""
    with ExitStack() as opened:
        run = train_run(
            recipe,
            overrides or (),
            out=folder,
            resume=resume,
            smoke=smoke,
            auto=auto,
            hours=hours,
            workers=workers,
            progress=None if auto else opened.enter_context(TerminalProgress()),
            console=err,
            say=_say,
        )
    if auto:
        _report(folder)
        out.print(f"decision {run.decision}", highlight=False, soft_wrap=True)
    elif run.recipe["stages"][-1]["task"] is None:
        out.print(f"run      {folder}", highlight=False, soft_wrap=True)
    elif os.environ.get("RANK", "0") == "0":
        _report(folder)


def _report(folder: Path) -> None:
    """Write report and summary of a run or a study, and say where they are."""
    from xlgen.report.build import build_report, terminal_table

    page = build_report(folder)
    show(terminal_table(folder))
    written = {"report": page, "summary": folder / "summary.json"}
    for name, path in written.items():
        if path.exists():  # there is no summary where no run has evaluated
            out.print(f"{name:<8} {path}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen report runs/quickstart")
def report(folder: Annotated[Path, typer.Argument(help="A run's or a study's folder.")]) -> None:
    """Write report.html and the tables of a run or a study."""
    _report(folder)
