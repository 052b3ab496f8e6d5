"""``xlgen analyze selection``: the cost of selecting without target labels; ``xlgen choices`` is its old name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.cli.analyzing import analyze
from xlgen.cli.console import app, out, say, show
from xlgen.core.registry import InputError

FOLDER = "A run's or a study's folder, with its predictions."


@app.command(hidden=True, deprecated=True, epilog="Example: xlgen choices runs/pocket-search")
def choices(folder: Annotated[Path, typer.Argument(help=FOLDER)]) -> None:
    """The old name of `xlgen analyze selection`."""
    say("note: xlgen choices is now called xlgen analyze selection")
    selection(folder)


@analyze.command(epilog="Example: xlgen analyze selection runs/pocket-search")
def selection(folder: Annotated[Path, typer.Argument(help=FOLDER)]) -> None:
    """The cost of selecting rates and checkpoints without target labels: selected on one half of the examples,
    evaluated on the other. Tables of every run and search go to tables/.
    """
    from xlgen.report.formats import to_terminal, write_tables
    from xlgen.report.halves import halves_tables, regret_note
    from xlgen.runs.rows import load_results

    tables = halves_tables(load_results(folder))
    if not tables:
        raise InputError(
            f"{folder}: there is nothing to choose among. No run was evaluated more than once in a language without "
            "labels, and no two runs differ in the learning rate alone"
        )
    for path in write_tables(tables, folder / "tables"):
        if path.suffix == ".csv":
            out.print(f"table    {path}", highlight=False, soft_wrap=True)
    show(to_terminal(tables[0]))
    if note := regret_note(tables):
        say(note, file=out)
