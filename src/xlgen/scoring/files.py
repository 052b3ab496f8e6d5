"""Readers of JSONL, CSV, TSV and text files of any size, plain or gzipped, one record at a time."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from textwrap import shorten
from typing import BinaryIO, Literal, TypeAlias

from xlgen.core.arguments import argument
from xlgen.core.delimited import LONGEST, NOT_GZIP, looks_quoted, numbered_lines, open_bytes, read_delimited, suffix_of
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import PREDICTIONS

Kind: TypeAlias = Literal["jsonl", "csv", "tsv", "tsv-quoted", "text", "squad"]
Record: TypeAlias = tuple[str, JsonObject | InputError]
"""The location of a record (``F.jsonl, line 3``), and its fields, or the error in it."""

_SUFFIXES: dict[str, Kind] = {
    **{".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl"},
    **{".csv": "csv", ".tsv": "tsv", ".txt": "text"},
}

_SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars", ",": "commas"}
"""Separators of fields, and their names in error messages."""
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SHOWN = 80


def read_records(
    source: str,
    kind: Kind | None = None,
    say: Callable[[str], None] = lambda text: None,
    separator: str | None = None,
) -> Iterator[Record]:
    """Read the records of a file, of the files in a folder, or of standard input (``-``), in order.

    Args:
        source: A path; its suffix implies the format (``.jsonl``, ``.csv``, ``.tsv``, ``.txt``, each also ``.gz``).
        kind: The format. If None, that of the suffix, and JSONL for standard input.
        say: Receives a message about rows that may not have been read as intended.
        separator: The character between the fields of CSV or TSV. If None, a comma or a tab.

    Raises:
        InputError: if a file cannot be read. A single bad record is yielded with its error instead.
    """
    for path in _paths(source):
        with open_file(path) as file:
            yield from _parse(file, path, kind or _kind(path), say=say, separator=separator)


@contextmanager
def open_file(path: str) -> Iterator[BinaryIO]:
    """Open a file, gzipped or not, or standard input (``-``). Errors while reading are raised as InputError too."""
    try:
        with _open(path) as file:
            yield file
    except NOT_GZIP as error:
        raise InputError(f"{path} is not complete gzip data: {error}") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def read_lines(path: str) -> Iterator[str]:
    """Read the lines of a text file, including empty ones; a newline at the end of the file does not start a line.

    Raises InputError if the text is not UTF-8.
    """
    with open_file(path) as file:
        for where, record in _text(numbered_lines(file, path), path):
            if isinstance(record, InputError):
                raise InputError(f"{where}: {record}")
            yield record["prediction"]


def _paths(source: str) -> list[str]:
    path = Path(source)
    if source == "-" or not path.is_dir():
        return [source]
    check_no_run_folder(path)
    suffixes = [suffix for suffix, kind in _SUFFIXES.items() if kind != "text"]  # text files may well be notes
    found = [str(each) for each in sorted(path.iterdir()) if suffix_of(each.name) in suffixes]
    if not found:
        raise InputError(f"no file in {source} ends in {', '.join(suffixes)}")
    return found


def check_no_run_folder(folder: Path) -> None:
    """Raise InputError for the folder of a run, a study, or several steps; the message names a folder to score."""
    patterns = (
        f"{PREDICTIONS}/step-*",
        PREDICTIONS,
        "step-*",
        f"runs/*/{PREDICTIONS}/step-*",
        f"*/{PREDICTIONS}/step-*",
    )
    for pattern in patterns:
        found = [each for each in folder.glob(pattern) if each.is_dir() and any(each.glob("*.jsonl"))]
        if found:
            newest = max(found, key=lambda each: (step_of(each), str(each)))
            raise InputError(
                f"{folder} holds a run's files; give the folder of a step's predictions: {newest}"
                + (f", or another of {len(found)} such folders" if len(found) > 1 else "")
            )


def step_of(folder: Path) -> int:
    """The step in the name of a predictions folder; -1 if there is none."""
    number = folder.name.removeprefix("step-")
    return int(number) if number.isdecimal() and number.isascii() else -1


def file_kind(path: str) -> Kind | None:
    """The format of a file by its suffix; None if unknown."""
    return "jsonl" if path == "-" else _SUFFIXES.get(suffix_of(path))


def _kind(path: str) -> Kind:
    found = file_kind(path)
    if found is None:
        raise InputError(f"{path}: its name must end in {', '.join(_SUFFIXES)}, or set {argument('input_format')}")
    return found


def _open(path: str) -> AbstractContextManager[BinaryIO]:
    if path == "-":
        return nullcontext(sys.stdin.buffer)
    if not Path(path).exists():
        raise InputError(f"no file {path}")
    return open_bytes(path)


def _parse(
    file: BinaryIO, path: str, kind: Kind, *, say: Callable[[str], None], separator: str | None
) -> Iterator[Record]:
    name = "standard input" if path == "-" else path
    lines = numbered_lines(file, name)
    if separator is not None and kind in ("text", "jsonl"):
        raise InputError(
            f"{argument('separator')} is for CSV and TSV, and {name} is read as {kind}: set "
            f"{argument('input_format')} to csv"
        )
    if kind == "text":
        return _text(lines, name)
    return _jsonl(lines, name) if kind == "jsonl" else _delimited(lines, name, kind, say, separator)


def _text(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Record]:
    """One output per line."""
    for number, line in lines:
        where = f"{name}, line {number}"
        if len(line) >= LONGEST:
            yield where, InputError(f"it is longer than {LONGEST >> 20} MiB")
            continue
        try:
            yield where, {"prediction": line.decode("utf-8").removesuffix("\n").removesuffix("\r")}
        except UnicodeDecodeError as error:
            yield where, InputError(f"it is not UTF-8 text, from byte {error.start + 1} on")


def _jsonl(lines: Iterator[tuple[int, bytes]], name: str) -> Iterator[Record]:
    for number, line in lines:
        if line.strip():
            found = _object(line)
            if number == 1 and isinstance(found, InputError) and line.lstrip().startswith(b"["):
                raise InputError(f"{name} is one JSON array: write one object per line (jq -c '.[]' {name})")
            yield f"{name}, line {number}", found


def _object(line: bytes) -> JsonObject | InputError:
    if len(line) >= LONGEST:
        return InputError(f"it is longer than {LONGEST >> 20} MiB")
    try:
        fields = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        return InputError(f"it is not UTF-8 text, from byte {error.start + 1} on")
    except json.JSONDecodeError as error:
        return InputError(f"it is not valid JSON: {error.msg} at column {error.colno}")
    except (ValueError, RecursionError) as error:
        return InputError(f"it is JSON that cannot be read: {error}")
    return fields if isinstance(fields, dict) else InputError(f"it must be a JSON object, not {describe_value(fields)}")


def describe_value(value: object) -> str:
    """The type of a JSON value, for error messages."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    names: dict[type, str] = {str: "text", list: "a list", dict: "an object", int: "a number", float: "a number"}
    return names.get(type(value), type(value).__name__)


def _delimited(
    lines: Iterator[tuple[int, bytes]], name: str, kind: Kind, say: Callable[[str], None], separator: str | None
) -> Iterator[Record]:
    quoting = None if kind == "tsv" else True
    if separator is None:
        separator = "," if kind == "csv" else "\t"
        lines = _checked(lines, name, separator)
    suspect = 0
    for number, found in read_delimited(lines, separator, quoting, name=name):
        suspect += kind == "tsv" and isinstance(found, dict) and looks_quoted(found)
        yield f"{name}, line {number}", found
    if suspect:
        say(
            f"{name}: {suspect} rows have fields that look quoted as in CSV; in TSV, quotation marks are text. "
            f"If they enclose fields here, set {argument('input_format')} to tsv-quoted"
        )


def _checked(lines: Iterator[tuple[int, bytes]], name: str, separator: str) -> Iterator[tuple[int, bytes]]:
    """The lines. Raises InputError if the header has another separator."""
    for number, line in lines:
        header = _QUOTED.sub("x", line.decode("utf-8", "replace")).rstrip("\r\n")
        other = max(_SEPARATORS, key=header.count)
        if header.strip() and separator not in header and header.count(other):
            raise InputError(
                f"{name}, line {number}: the header {shorten(line.decode('utf-8', 'replace'), _SHOWN)!r} is one field, "
                f"which looks separated by {_SEPARATORS[other]}: set {argument('separator')} to {other!r}".replace(
                    "'\\t'", "tab"
                )
            )
        yield number, line
        if header.strip():
            break
    yield from lines


def check_separator(text: str | None) -> str | None:
    """The separator given by ``--separator``: one character, or ``tab``. Raises InputError."""
    separator = {"tab": "\t", "\\t": "\t"}.get(text, text) if text else text
    if separator is not None and (len(separator) != 1 or separator in '"\r\n\0'):
        raise InputError(
            f"{argument('separator')} must be one character other than a quotation mark or a newline, or tab, not "
            f"{text!r}"
        )
    return separator
