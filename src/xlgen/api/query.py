"""SQL over the files of runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from xlgen.api.rows import Rows
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.outputs import check_no_run
from xlgen.core.registry import InputError, nearest
from xlgen.runs.run_discovery import discover_runs

FORMATS = ("csv", "json", "jsonl", "parquet")


class QueryResult(Rows):
    """The rows of a query, one dictionary each."""

    def __init__(
        self,
        rows: Iterable[JsonMapping] = (),
        columns: tuple[str, ...] = (),
        types: tuple[str, ...] = (),
        complete: bool = True,
    ) -> None:
        super().__init__(rows)
        self.columns = columns
        self.types = types
        """DuckDB's types of the columns."""
        self.complete = complete
        """Whether the result has no further rows."""


def query(
    path: str | Path,
    sql: str | None = None,
    *,
    format: str | None = None,
    out: str | Path | None = None,
    limit: int | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> QueryResult:
    """Query the scores, training logs and predictions of runs in SQL (DuckDB).

    Args:
        path: The folder of a run or a study, or a folder with any number of them.
        sql: One SELECT statement. If None, the rows are the columns of the views: ``view, column, type, meaning``.
        format: With ``out``: ``csv``, ``json``, ``jsonl`` or ``parquet``. By default, chosen by the file's name.
        out: A file to write the rows to instead of returning them; ``-`` is standard output. An existing file is
            replaced at the end.
        limit: Maximum number of rows to return.
        say: Called with a message for each damaged run.

    Raises:
        InputError: if there is no run, the query is invalid, or ``out`` cannot be written.
    """
    require("query", "a query")
    if sql is None:
        discover_runs(Path(path), say)
        return QueryResult(_view_columns(), ("view", "column", "type", "meaning"), ("VARCHAR",) * 4)
    kind = None if out is None else _format_of(format, out)
    file = None if out is None or str(out) == "-" else Path(out)
    if file is not None:
        check_no_run(file, argument("out"))
    from xlgen.experiments import formats
    from xlgen.experiments.query import open_query

    with open_query(Path(path), sql, say) as result:
        if kind is not None:
            formats.write(result, kind, file)
            return QueryResult((), result.columns, result.types)
        rows = result.rows()
        found = [dict(zip(result.columns, row, strict=True)) for row in islice(rows, limit)]
        return QueryResult(found, result.columns, result.types, next(rows, None) is None)


def _format_of(format: str | None, out: str | Path) -> str:
    kind = format or Path(out).suffix.removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"no format {kind!r}: {nearest(kind, FORMATS)}; set {argument('format')}")
    return kind


def _view_columns() -> Iterator[JsonObject]:
    from xlgen.experiments.views import FUNCTIONS, VIEWS

    for name, view in VIEWS.items():
        yield {"view": name, "column": "", "type": "", "meaning": view.meaning}
        for column in view.columns:
            yield {"view": name, "column": column.name, "type": column.type, "meaning": column.meaning}
    yield {"view": "functions", "column": "", "type": "", "meaning": "in addition to DuckDB's own"}
    for name, meaning in FUNCTIONS.items():
        yield {"view": "functions", "column": name, "type": "", "meaning": meaning}
