"""``xlgen study``: several runs that differ in a few keys."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from xlgen.api.studies import StudyEstimate
from xlgen.api.studies import study as run_study
from xlgen.cli.console import app, codes_of, err, finite, out, plain, say, show
from xlgen.cli.dependent import excludes, needs
from xlgen.cli.results import print_results


@app.command(epilog="Example: xlgen study pocket-grid --out runs/pocket-grid --workers 2")
@needs("--dry-run", "no_measure")
@excludes("--no-measure", "workers", why="prints no times")
@excludes("--dry-run", "smoke", "hours", "ray", why="runs nothing")
@excludes("--smoke", "workers", "hours", "ray", why="runs one by one on this machine")
@excludes("--ray", "workers", why="runs as many runs as the cluster has room for")
def study(
    name: Annotated[str, typer.Argument(help="A shipped study or a YAML file with `base` and `runs`.")],
    place: Annotated[
        str, typer.Option("--out", help="Folder of the runs and the report, or a URL that fsspec opens (s3://...).")
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value, applied to the base recipe.")] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=0, max=1_024, help="Number of parallel runs, which share the cores evenly; 0 is one per core."
        ),
    ] = 0,
    only: Annotated[
        str | None,
        typer.Option(help="Comma-separated names of the runs to execute; wildcards are allowed: 'prompt-base-*'."),
    ] = None,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Test the study: one run of each kind for two steps in the pocket world, one after another."
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="Run nothing. Print the state of each run, and estimate the remaining time from a few training steps "
            "of each kind of run.",
        ),
    ] = False,
    no_measure: Annotated[
        bool, typer.Option("--no-measure", help="With --dry-run: train no steps and print no times.")
    ] = False,
    hours: Annotated[
        float | None,
        typer.Option(min=0, max=1e6, callback=finite, help="Start no run that would end after this number of hours."),
    ] = None,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster, or auto; --out must be storage that all nodes share.")
    ] = None,
) -> None:
    """Run a study: several runs that differ in a few keys, or a search. Run it again to execute the missing runs."""
    done = run_study(
        name,
        overrides or (),
        out=place,
        workers=workers,
        only=codes_of(only, "--only"),
        smoke=smoke,
        dry_run=dry_run,
        measure=not no_measure,
        hours=hours,
        ray=ray,
        console=err,
        say=say,
    )
    if done.estimate is not None:
        _print_estimate(done.estimate, measured=not no_measure)
    else:
        print_results(done)


def _print_estimate(found: StudyEstimate, measured: bool) -> None:
    table = Table("run", "state", "left")
    for each in found.runs:
        left = plain(each.why) if each.seconds is None else _duration(each.seconds)
        table.add_row(each.run.name, each.status, left)
    show(table)
    more = ", and more as the search continues" if found.searches else ""
    time = "; the time is unknown" if measured and found.missing else ""
    if found.seconds is not None:
        time = f"; about {_duration(found.seconds)} with {found.workers} workers"
    out.print(f"{found.missing} of {len(found.runs)} runs are left{more}{time}", highlight=False)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min {rest:02} s"
