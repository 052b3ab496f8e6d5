"""``xlgen report``: write the report of a run or a study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.training import write_report
from xlgen.cli.console import app
from xlgen.cli.results import print_report


@app.command(epilog="Example: xlgen report runs/quickstart")
def report(folder: Annotated[Path, typer.Argument(help="Folder of a run or a study.")]) -> None:
    """Write report.html and the tables of a run or a study."""
    print_report(write_report(folder))
