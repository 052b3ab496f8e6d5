"""``xlgen quickstart``: four methods compared on an embedded model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.studies import study as run_study
from xlgen.cli.console import app, err, say
from xlgen.cli.results import print_results


@app.command(epilog="Example: xlgen quickstart --out runs/quickstart")
def quickstart(
    folder: Annotated[Path, typer.Option("--out", help="Folder of the runs and the report.")] = Path("runs/quickstart"),
    workers: Annotated[
        int,
        typer.Option(
            min=0, max=1_024, help="Number of parallel runs, which share the cores evenly; 0 is one per core."
        ),
    ] = 0,
) -> None:
    """Finetune an embedded model on English labels, generate in 12 languages, and write a report."""
    from xlgen.experiments.quickstart import NAME, overrides_for

    overrides = overrides_for(folder, say)
    print_results(run_study(NAME, overrides, out=folder, workers=workers, console=err, say=say))
