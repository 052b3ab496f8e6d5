"""Write a query's result to the terminal or to files."""

from __future__ import annotations

import csv
import json
import math
import sys
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from rich.table import Column, Table
from rich.text import Text

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.outputs import is_stream, replacing, whole_file

if TYPE_CHECKING:
    from xlgen.experiments.query import Result


_NUMBERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UBIGINT", "FLOAT", "DOUBLE", "DECIMAL")


def write(result: Result, format: str, path: Path | None) -> None:
    """Write ``result`` as csv, json (``{"rows": [...]}``), jsonl or parquet, atomically to ``path`` or, if it is None,
    to standard output."""
    if format == "parquet":
        _write_parquet(result, path)
        return
    lines = {"csv": _csv, "json": _json, "jsonl": _jsonl}[format]
    if path is None:
        lines(result, sys.stdout)
        return
    with replacing(path) as file:
        lines(result, file)


def rows_table(rows: Iterable[JsonMapping], columns: Sequence[str], types: Sequence[str]) -> Table:
    """A table of ``rows`` for the terminal. Columns of numbers are right-aligned."""
    found = Table(
        *(
            Column(Text(name), justify="right" if kind.startswith(_NUMBERS) else "left")
            for name, kind in zip(columns, types, strict=True)
        )
    )
    for row in rows:
        found.add_row(*(Text(_cell(row[name])) for name in columns))
    return found


def _cell(value: object) -> str:
    """A value on one line, without control characters that would affect the terminal."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < 1e6 else f"{value:.1f}"
    text = value if isinstance(value, str) else _text(value)
    return "".join("↵" if c in "\n\r\u2028\u2029\x85" else c if _visible(c) else "\ufffd" for c in text)


def _visible(character: str) -> bool:
    # Direction marks (category Cf) are kept because right-to-left text needs them.
    return unicodedata.category(character) != "Cc"


def _text(value: object) -> str:
    plain = _plain(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def _csv(result: Result, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows():
        writer.writerow(["" if value is None else _text(value) for value in row])


def _json(result: Result, file: TextIO) -> None:
    file.write('{"rows": [')
    for number, line in enumerate(_objects(result)):
        file.write((",\n" if number else "\n") + line)
    file.write("\n]}\n")


def _jsonl(result: Result, file: TextIO) -> None:
    file.writelines(line + "\n" for line in _objects(result))


def _objects(result: Result) -> Iterator[str]:
    for row in result.rows():
        values = dict(zip(result.columns, map(_plain, row), strict=True))
        yield json.dumps(values, ensure_ascii=False, allow_nan=False)


def _plain(value: object) -> JsonValue:
    """A value as JSON: null for NaN and infinity, strings for times and bytes."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value if value is None or isinstance(value, (str, int)) else str(value)


def _write_parquet(result: Result, path: Path | None) -> None:
    if path is not None and not is_stream(path):
        with whole_file(path) as temporary:
            result.write_parquet(temporary)
        return
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.parquet"
        result.write_parquet(file)
        with file.open("rb") as written, path.open("wb") if path else nullcontext(sys.stdout.buffer) as place:
            shutil.copyfileobj(written, place)


def views_table(rows: Iterable[JsonMapping]) -> Table:
    """A table of views with their columns, for the terminal. A row without a column is about a view."""
    found = Table("view", "column", "type", "meaning")
    for row in rows:
        if row["column"]:
            found.add_row("", *(Text(row[key]) for key in ("column", "type", "meaning")))
        else:
            found.add_section()
            found.add_row(Text(row["view"], style="bold"), "", "", Text(row["meaning"]))
    return found
