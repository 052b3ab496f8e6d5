"""``xlgen query``: SQL over the files of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.query import query as query_runs
from xlgen.cli.console import app, say, show
from xlgen.cli.dependent import needs
from xlgen.core.registry import InputError

_EXAMPLE = (
    "select run, avg(value) as mean from scores "
    "where metric = 'rougeL' and is_last and not is_source group by run order by mean desc"
)
MOST_ROWS = 1_000
"""Maximum number of rows of a table."""


@app.command(epilog=f'Example: xlgen query runs/quickstart "{_EXAMPLE}"')
@needs("a SELECT", "format", "file", holds=lambda values: values["sql"] is not None)
def query(
    folder: Annotated[Path, typer.Argument(help="Folder of a run or a study, or a folder with any number of them.")],
    sql: Annotated[
        str | None, typer.Argument(help="One SELECT statement. Without it, print the views and their columns.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="table, csv, json, jsonl or parquet. By default, chosen by the name of --out, or table."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Output file, which replaces an existing one at the end. By default, standard output."
        ),
    ] = None,
) -> None:
    """Query the scores, training logs and predictions of runs in SQL (DuckDB)."""
    if file and format == "table":
        raise InputError("--out needs --format csv, json, jsonl or parquet")
    if file or format not in (None, "table"):
        query_runs(folder, sql, format=format, out=file or "-", say=say)
        return
    found = query_runs(folder, sql, limit=MOST_ROWS, say=say)
    from xlgen.experiments.formats import rows_table, views_table

    show(views_table(found) if sql is None else rows_table(found, found.columns, found.types))
    if not found.complete:
        say(f"these are the first {MOST_ROWS:,} rows; --format csv, or a LIMIT, gives all or fewer")
