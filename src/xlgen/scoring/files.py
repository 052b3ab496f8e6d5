"""Records of JSONL, CSV and TSV files of any size, plain or gzipped, one at a time; a bad one says what is wrong."""

from __future__ import annotations

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from xlgen.registry import InputError

Kind: TypeAlias = Literal["jsonl", "csv", "tsv"]
Record: TypeAlias = tuple[str, dict[str, Any] | InputError]
"""Where it stands (``F.jsonl, line 3``), and its fields, or what is wrong with it."""

_SUFFIXES: dict[str, Kind] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".tsv": "tsv"}
# A longer line or field is one that lost its newline or its closing quotation mark: it would fill the memory.
_LONGEST_LINE, _LONGEST_FIELD = 64 * 2**20, 16 * 2**20


def read_records(source: str, kind: Kind | None = None) -> Iterator[Record]:
    """The records of a file, of the files in a folder, or of standard input (``-``), in their order.

    Args:
        source: Its name says what it holds (``.jsonl``, ``.csv``, ``.tsv``, each also ``.gz``).
        kind: What it holds, where its name does not say so; standard input is JSONL.

    Raises:
        InputError: where the whole of it cannot be read. A single bad record is given as an error instead.
    """
    for path in _paths(source):
        try:
            with _open(path) as file:
                yield from _parse(file, path, kind or _kind(path))
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise InputError(f"{path} is not whole gzip data: {error}") from None
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}") from None


def _paths(source: str) -> list[str]:
    path = Path(source)
    if source == "-" or not path.is_dir():
        return [source]
    found = [str(each) for each in sorted(path.iterdir()) if _suffix(each.name) in _SUFFIXES]
    if not found:
        raise InputError(f"no file in {source} ends in {', '.join(_SUFFIXES)}")
    return found


def _suffix(name: str) -> str:
    return Path(name.removesuffix(".gz")).suffix.lower()


def _kind(path: str) -> Kind:
    if path == "-":
        return "jsonl"
    if _suffix(path) not in _SUFFIXES:
        raise InputError(f"{path}: its name must end in {', '.join(_SUFFIXES)}, or --input-format say what it holds")
    return _SUFFIXES[_suffix(path)]


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    if not Path(path).exists():
        raise InputError(f"no file {path}")
    return cast(BinaryIO, gzip.open(path)) if path.endswith(".gz") else Path(path).open("rb")


def _parse(file: BinaryIO, path: str, kind: Kind) -> Iterator[Record]:
    name = "standard input" if path == "-" else path
    return _jsonl(_lines(file, name), name) if kind == "jsonl" else _csv(_lines(file, name), name, kind)


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines without a byte order mark, of which no more than the longest is kept.

    Splits at newlines only, not at U+2028.
    """
    number = 0
    while line := file.readline(_LONGEST_LINE):
        number += 1
        if number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise InputError(f"{name} is UTF-16 text: save it as UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        rest = line
        while len(rest) == _LONGEST_LINE and not rest.endswith(b"\n"):
            rest = file.readline(_LONGEST_LINE)
        yield number, line


def _jsonl(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Record]:
    for number, line in lines:
        if line.strip():
            found = _object(line)
            if number == 1 and isinstance(found, InputError) and line.lstrip().startswith(b"["):
                raise InputError(f"{name} is one JSON array: write one object a line (jq -c '.[]' {name})")
            yield f"{name}, line {number}", found


def _object(line: bytes) -> dict[str, Any] | InputError:
    if len(line) >= _LONGEST_LINE:
        return InputError(f"it is longer than {_LONGEST_LINE >> 20} MiB")
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return InputError(f"it is not UTF-8 text, from byte {error.start + 1} on")
    except json.JSONDecodeError as error:
        return InputError(f"it is not valid JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return InputError(f"it is JSON that cannot be read: {error}")
    return fields if isinstance(fields, dict) else InputError(f"it must be a JSON object, not {describe(fields)}")


def describe(value: object) -> str:
    """What a JSON value is, in words."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {str: "text", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _csv(lines: Iterator[tuple[int, bytes]], name: str, kind: Kind) -> Iterator[Record]:
    csv.field_size_limit(_LONGEST_FIELD)
    # Bytes that are no UTF-8 become lone surrogates, which tell the rows that hold them.
    text = (line.decode("utf-8", "surrogateescape") for _, line in lines)
    rows = csv.reader(text, delimiter="\t" if kind == "tsv" else ",", strict=True)
    header: list[str] | None = None
    while True:
        where = f"{name}, line {rows.line_num + 1}"
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            hint = "; is a quotation mark not closed?" if "limit" in str(error) or "end of data" in str(error) else ""
            yield where, InputError(f"it is not valid {kind.upper()}: {error}{hint}")
            continue
        if header is None:
            header = row
        elif row:
            yield where, _fields(header, row)


def _fields(header: list[str], row: list[str]) -> dict[str, Any] | InputError:
    if len(row) != len(header):
        return InputError(f"it has {len(row)} columns, the header has {len(header)}")
    if any("\udc80" <= char <= "\udcff" for text in row if not text.isascii() for char in text):
        return InputError("it is not UTF-8 text")
    return dict(zip(header, row, strict=True))
