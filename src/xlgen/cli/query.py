"""``xlgen query``: SQL over the files of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.cli.console import app, say, show
from xlgen.cli.dependent import needs
from xlgen.core.outputs import check_no_run
from xlgen.core.registry import InputError, nearest

_EXAMPLE = (
    "select run, avg(value) as score from figures "
    "where metric = 'rougeL' and is_last and not is_source group by run order by score desc"
)


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
        typer.Option("--out", help="File, which replaces an existing one at the end. By default, standard output."),
    ] = None,
) -> None:
    """Query the scores, training logs and predictions of runs in SQL (DuckDB)."""
    from xlgen.experiments import formats
    from xlgen.runs.run_discovery import discover_runs

    kind = format or (file.suffix.removeprefix(".") if file else "table")
    if kind not in formats.FORMATS:
        raise InputError(f"no format {kind!r}: {nearest(kind, formats.FORMATS)}; give --format")
    if file and kind == "table":
        raise InputError("--out needs --format csv, json, jsonl or parquet")
    if sql is None:
        discover_runs(folder, say)
        _print_views()
        return
    if file is not None:
        check_no_run(file, "--out")
    from xlgen.experiments.query import open_query

    with open_query(folder, sql, say) as result:
        if kind != "table":
            formats.write(result, kind, file)
            return
        table, more = formats.table(result)
    show(table)
    if more:
        say(f"these are the first {formats.MOST_ROWS:,} rows; --format csv, or a LIMIT, gives all or fewer")


def _print_views() -> None:
    from xlgen.experiments.formats import describe_views
    from xlgen.experiments.views import FUNCTIONS, VIEWS

    functions = [(name, "", what) for name, what in FUNCTIONS.items()]
    views = [(name, view.meaning, view.columns) for name, view in VIEWS.items()]
    show(describe_views([*views, ("functions", "in addition to DuckDB's own", functions)]))
