"""SQL over the files of runs: an in-memory DuckDB with views that read these files directly.

Nothing is written or copied. A query sees the current files, also of runs that are still training, and reads only the
files that its views need.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple
from pathlib import Path

import duckdb
from duckdb.func import FunctionNullHandling

from xlgen.core.registry import InputError
from xlgen.experiments.views import OLD_NAMES, VIEWS, definition, mentioned
from xlgen.runs.run_discovery import RunSummary, discover_runs
from xlgen.runs.run_files import PREFIX, RunFiles

_BATCH = 2_048
_COMMENT = re.compile(r"(\s|\(|--[^\n]*(\n|$)|/\*.*?\*/)*", re.DOTALL)
_ZONE = re.compile(r"TIME ZONE|TIMESTAMPTZ|TIMETZ")
_READING = ("select", "with", "from", "pivot", "unpivot")


class QueryError(InputError):
    """The query is invalid."""


class Result:
    """A query's result: names and types of its columns, and its rows. Each access to the rows runs the query."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, scratch: Path) -> None:
        self._connection, self._statement, self._scratch = connection, statement, scratch
        self._relation = connection.sql(statement)
        self.columns = _unique(self._relation.columns)
        types = [str(kind) for kind in self._relation.types]
        # In Python, times with a zone would need pytz; they are returned as strings: 2026-01-31 12:00:00+00.
        self._as_text = [_ZONE.search(kind) is not None for kind in types]
        self.types = tuple("VARCHAR" if text else kind for text, kind in zip(self._as_text, types, strict=True))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Iterate over the rows. Raises QueryError if a row cannot be computed."""
        with _faults():
            shown = [f"CAST(#{n} AS VARCHAR)" if text else f"#{n}" for n, text in enumerate(self._as_text, 1)]
            cast = self._relation.project(", ".join(shown)).sql_query() if any(self._as_text) else None
            cursor = self._connection.execute(cast or self._statement)
            while batch := cursor.fetchmany(_BATCH):
                yield from batch

    def write_parquet(self, path: Path) -> None:
        """Write the rows as Parquet. Raises QueryError if a row cannot be computed."""
        written = self._scratch / "result.parquet"  # DuckDB may not write anywhere else
        with _faults():
            names = ", ".join(f"#{place} AS {_identifier(name)}" for place, name in enumerate(self.columns, 1))
            self._relation.project(names).write_parquet(str(written))
        shutil.move(written, path)


@contextmanager
def open_query(path: Path, sql: str, say: Callable[[str], None] = lambda text: None) -> Iterator[Result]:
    """The result of one read-only statement, valid while the context is open; ``say`` is called for damaged runs.

    Raises:
        InputError: if there is no run, or the query is invalid (QueryError, with DuckDB's message).
    """
    runs = discover_runs(path, say)
    with tempfile.TemporaryDirectory(prefix="xlgen-query-") as scratch, _connection(Path(scratch)) as connection:
        with _faults():
            statement = _reading(sql)
            connection.register_filesystem(RunFiles(run.folder for run in runs))
            _add_runs(connection, runs)
            for view in ("scores", "steps", "predictions"):
                # Files of predictions may be numerous, so they are listed only if needed.
                asked = view != "predictions" or mentioned(sql, view)
                connection.execute(definition(view, runs if asked else ()))
            for old, new in OLD_NAMES.items():
                if mentioned(sql, old):
                    connection.execute(f"CREATE VIEW {old} AS SELECT * FROM {new}")
            if mentioned(sql, "language_of") or mentioned(sql, "in_language"):
                _add_functions(connection)
            _lock(connection)
            result = Result(connection, statement, Path(scratch))
        yield result


def _connection(scratch: Path) -> duckdb.DuckDBPyConnection:
    settings: dict[str, str | bool | int | float | list[str]] = {
        # DuckDB spills to this folder instead of the user's when memory runs out.
        "temp_directory": str(scratch),
        # Table names must not refer to Python variables.
        "python_enable_replacements": "false",
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
        "allow_community_extensions": "false",
        "allow_unsigned_extensions": "false",
    }
    return duckdb.connect(":memory:", config=settings)


def _lock(connection: duckdb.DuckDBPyConnection) -> None:
    """Restrict DuckDB to the files of the runs, which are read-only, and its temporary folder."""
    connection.execute(f"SET allowed_directories = ['{PREFIX}']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _reading(sql: str) -> duckdb.Statement:
    """The single statement of ``sql``. Raises QueryError if it does not only read.

    DuckDB would also refuse to write files (:func:`_lock`), but with a less helpful message.
    """
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise QueryError(f"a query is one statement, not {len(statements)}")
    kind = statements[0].type
    # DuckDB splits PIVOT into several statements, also within a COPY.
    first = sql[_COMMENT.match(sql).end() :].split(None, 1)[0].lower()  # type: ignore[union-attr]  # the pattern matches any text
    if kind == duckdb.StatementType.SELECT or (kind == duckdb.StatementType.MULTI and first in _READING):
        return statements[0]
    raise QueryError(f"a query only reads: SELECT, WITH, FROM, PIVOT, DESCRIBE or SUMMARIZE, not {first.upper()}")


def _add_runs(connection: duckdb.DuckDBPyConnection, runs: list[RunSummary]) -> None:
    columns = VIEWS["runs"].columns
    connection.execute(f"CREATE TABLE runs ({', '.join(f'{column.name} {column.type}' for column in columns)})")
    places = ", ".join("?" for _ in columns)
    connection.executemany(f"INSERT INTO runs VALUES ({places})", [_values(run) for run in runs])


def _values(run: RunSummary) -> list[object]:
    return [list(value) if isinstance(value, tuple) else value for value in astuple(run)]


def _add_functions(connection: duckdb.DuckDBPyConnection) -> None:
    """Add language identification as SQL functions."""
    from xlgen.core.languages import Language
    from xlgen.metrics.lid import load_identifier

    identifier = load_identifier()

    def language_of(text: str | None) -> str | None:
        return identifier.identify([text])[0][0] or None if text else None

    def in_language(text: str | None, language: str | None) -> bool | None:
        code = identifier.code(Language.parse(language)) if language else ""
        return language_of(text) == code if code and text is not None else None

    # With DuckDB's default null handling, a function cannot return null.
    nulls = FunctionNullHandling.SPECIAL
    connection.create_function("language_of", language_of, ["VARCHAR"], "VARCHAR", null_handling=nulls)
    connection.create_function("in_language", in_language, ["VARCHAR"] * 2, "BOOLEAN", null_handling=nulls)


@contextmanager
def _faults() -> Iterator[None]:
    """Raise DuckDB's errors as QueryError."""
    try:
        yield
    except duckdb.Error as error:
        # Errors from a Python file system include a traceback.
        text = str(error).strip()
        raise QueryError(text.splitlines()[-1] if "Traceback" in text else text) from None
    except (OverflowError, ValueError) as error:  # a time that Python cannot represent, such as in the year 20000
        if isinstance(error, InputError):
            raise
        raise QueryError(f"a value of the result cannot be shown ({error}); cast it to VARCHAR") from None


def _unique(names: list[str]) -> tuple[str, ...]:
    """Make the names unique: ``a``, ``a_1``."""
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
