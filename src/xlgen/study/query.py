"""SQL over the files of runs: DuckDB in memory, with views that it reads itself from what the runs have left.

Nothing is written or copied: a query sees the files as they are, those of runs that are still training too, and reads
only what its views need.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path
from typing import Any

import duckdb
from duckdb.func import FunctionNullHandling

from xlgen.registry import InputError
from xlgen.study.found import FoundRun, find
from xlgen.study.views import VIEWS, definition, mentioned

_BATCH = 2_048
_COMMENT = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_READING = ("select", "with", "from", "pivot", "unpivot")


class QueryError(InputError):
    """The query is wrong."""


class Result:
    """What a query gives: names and types of its columns, and its rows. Each way to get the rows runs the query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, statement: Any) -> None:
        self._connection, self._statement = connection, statement
        self._relation = connection.sql(statement)
        self.columns = _unique(self._relation.columns)
        self.types = tuple(map(str, self._relation.types))

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The rows. Raises QueryError where one cannot be computed."""
        with _faults():
            cursor = self._connection.execute(self._statement)
            while batch := cursor.fetchmany(_BATCH):
                yield from batch

    def write_parquet(self, path: Path) -> None:
        """Write the rows as Parquet. Raises QueryError as :meth:`rows`."""
        with _faults():
            names = ", ".join(f"#{place} AS {_identifier(name)}" for place, name in enumerate(self.columns, 1))
            self._relation.project(names).write_parquet(str(path))


def query(path: str | Path, sql: str) -> list[dict[str, Any]]:
    """The rows of ``sql`` over the runs at ``path`` or anywhere under it, as ``xlgen query`` gives them.

    Raises:
        InputError: where there is no run, or the query is wrong.
    """
    with open_query(Path(path), sql) as result:
        return [dict(zip(result.columns, row, strict=True)) for row in result.rows()]


@contextmanager
def open_query(path: Path, sql: str, say: Callable[[str], None] = lambda text: None) -> Iterator[Result]:
    """The result of one statement that reads, while the context is open; ``say`` is told of damaged runs.

    Raises:
        InputError: where there is no run, or the query is wrong (QueryError, with DuckDB's message).
    """
    runs = find(path, say)
    with tempfile.TemporaryDirectory(prefix="xlgen-query-") as scratch, _connection(Path(scratch)) as connection:
        with _faults():
            statement = _reading(sql)
            _add_runs(connection, runs)
            for view in ("figures", "steps", "predictions"):
                # There may be very many files of predictions.
                asked = view != "predictions" or mentioned(sql, view)
                connection.execute(definition(view, runs if asked else ()))
            if mentioned(sql, "language_of") or mentioned(sql, "in_language"):
                _add_functions(connection)
            result = Result(connection, statement)
        yield result


def _connection(scratch: Path) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        # What does not fit in memory goes there, and not beside the user's files.
        "temp_directory": str(scratch),
        # A table is never a variable of this program.
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
    }
    return duckdb.connect(":memory:", config=settings)


def _reading(sql: str) -> Any:
    """The one statement of ``sql``. Raises QueryError for any that could write a file."""
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"a query is one statement, not {len(statements)}")
    kind = statements[0].type
    # PIVOT is several statements to DuckDB, also within a COPY.
    first = sql[_COMMENT.match(sql).end() :].split(None, 1)[0].lower()  # type: ignore[union-attr]
    if kind == duckdb.StatementType.SELECT or (kind == duckdb.StatementType.MULTI and first in _READING):
        return statements[0]
    raise QueryError(f"a query only reads: SELECT, WITH, FROM, PIVOT, DESCRIBE or SUMMARIZE, not {first.upper()}")


def _add_runs(connection: duckdb.DuckDBPyConnection, runs: list[FoundRun]) -> None:
    columns = VIEWS["runs"].columns
    connection.execute(f"CREATE TABLE runs ({', '.join(f'{column.name} {column.type}' for column in columns)})")
    places = ", ".join("?" for _ in columns)
    connection.executemany(f"INSERT INTO runs VALUES ({places})", [_values(run) for run in runs])


def _values(run: FoundRun) -> list[Any]:
    return [list(value) if isinstance(value, tuple) else value for value in astuple(run)]


def _add_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """The language of a text, as a function of SQL."""
    from xlgen.languages import Language
    from xlgen.metrics.lid import load

    identifier = load()

    def language_of(text: str | None) -> str | None:
        return identifier.identify([text])[0][0] or None if text else None

    def in_language(text: str | None, language: str | None) -> bool | None:
        code = identifier.code(Language.parse(language)) if language else ""
        return language_of(text) == code if code and text is not None else None

    # DuckDB's own handling of nulls has no function return one.
    nulls = FunctionNullHandling.SPECIAL
    connection.create_function("language_of", language_of, ["VARCHAR"], "VARCHAR", null_handling=nulls)
    connection.create_function("in_language", in_language, ["VARCHAR"] * 2, "BOOLEAN", null_handling=nulls)


@contextmanager
def _faults() -> Iterator[None]:
    """DuckDB's errors as the user's."""
    try:
        yield
    except duckdb.Error as error:
        raise QueryError(str(error).strip()) from None


def _unique(names: list[str]) -> tuple[str, ...]:
    """Each name once: ``a``, ``a_1``."""
    found: list[str] = []
    for name in names:
        candidate, number = name, 0
        while candidate in found:
            number += 1
            candidate = f"{name}_{number}"
        found.append(candidate)
    return tuple(found)


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
