"""``xlgen train``: one run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.training import train as train_run
from xlgen.api.training import write_report
from xlgen.cli.console import app, err, finite, out, say
from xlgen.cli.dependent import excludes, needs
from xlgen.cli.results import print_report
from xlgen.core.progress import TerminalProgress


@app.command(epilog="Example: xlgen train squad-xquad data_dir=data training.steps=300 --out runs/squad")
@needs("--auto", "hours", "workers")
@excludes("--auto", "resume", why="resumes when the same command is run again")
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe (`xlgen list recipes`) or a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.sub=value, e.g. training.learning_rate=1e-4.")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="Folder of the run.")] = ...,  # type: ignore[assignment]  # required
    resume: Annotated[bool, typer.Option(help="Resume the run in --out from its newest checkpoint.")] = False,
    smoke: Annotated[
        bool,
        typer.Option(
            "--smoke", help="Test the recipe: two steps per stage on a pocket backbone, with pocket tasks and text."
        ),
    ] = False,
    auto: Annotated[
        bool, typer.Option("--auto", help="Search for the best method and learning rate without target labels.")
    ] = False,
    hours: Annotated[
        float | None,
        typer.Option(
            min=0, max=1e6, callback=finite, help="With --auto: start no run that would end after this number of hours."
        ),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=0, max=1_024, help="With --auto: number of parallel runs; 0 is one per core.")
    ] = 0,
) -> None:
    """Train a model, evaluate every target language, and write a report."""
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
            say=say,
        )
    if auto:
        print_report(write_report(folder))
        out.print(f"decision {run.decision}", highlight=False, soft_wrap=True)
    elif run.recipe["stages"][-1]["task"] is None:
        out.print(f"run      {folder}", highlight=False, soft_wrap=True)
    elif os.environ.get("RANK", "0") == "0":
        print_report(write_report(folder))
