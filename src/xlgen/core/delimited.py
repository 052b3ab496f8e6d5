"""The reader of delimited text (CSV, TSV), one record at a time.

- With quoting (CSV, RFC 4180): a field that begins with a quotation mark ends at the next single one. Inside of it,
  two quotation marks mean one, and separators and line ends are text. Elsewhere a quotation mark is text.
- Without quoting (TSV, IANA's text/tab-separated-values): a line is a record, and every quotation mark is text.

Every value is text: nothing is converted to a number, a date or a missing value. The only size limit is 64 MiB for a
record; a larger one has lost its closing quotation mark.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from xlgen.core.registry import InputError
from xlgen.core.untrusted import check_readable

Found: TypeAlias = tuple[int, dict[str, str] | InputError]
"""The number of the line that a record begins on, and its fields, or what is wrong with it."""

LONGEST = 64 * 2**20
"""Bytes of a record, about."""
_SHOWN = 40
# What replaces bytes that are not UTF-8, after decoding with "surrogateescape".
_UNDECODED = re.compile("[\udc80-\udcff]")
# A field as a writer of CSV quotes it: within quotation marks, and those inside doubled.
_LOOKS_QUOTED = re.compile(r'"(?:[^"]|"")+"')


class NotUtf8Error(InputError):
    """The record holds bytes that are not UTF-8 text."""


def read_delimited(
    lines: Iterable[tuple[int, bytes]],
    separator: str | None,
    quoting: bool | None = None,
    columns: Sequence[str] = (),
    name: str = "the file",
) -> Iterator[Found]:
    """The records of a file with a header.

    An invalid record is returned as an error. Reading continues on the line after its first one, so an unclosed
    quotation mark never swallows other rows.

    Args:
        lines: Numbered lines with their ends, without a byte order mark.
        separator: The separator of fields. If None, any white space, without quoting.
        quoting: Whether quotation marks enclose fields. If None, they do, unless the separator is a tab and the header
            has a name without them.
        columns: The names of the fields, if the file has no header.
        name: The name of the file, for errors.

    Raises:
        InputError: for a header that names a field twice or cannot be one.
    """
    numbered = iter(lines)
    names = tuple(columns)
    for number, line in numbered:
        if not names and not _text(line).strip():
            continue
        quoted = _is_quoted("" if names else _text(line), separator) if quoting is None else quoting
        for start, record in _records(chain([(number, line)], numbered), separator, quoted):
            if not names:
                names = _header(record, f"{name}, line {start}")
            elif isinstance(record, InputError):
                yield start, record
            elif len(record) > 1 or record[0].strip() or len(names) == 1:
                yield start, _fields(names, record, quoted, bool(columns))


def open_bytes(path: str | Path) -> BinaryIO:
    """A file to read, unpacked where its name ends in ``.gz``. Raises InputError for a pipe, a device or a folder."""
    check_readable(Path(path))
    return cast(BinaryIO, gzip.open(path)) if str(path).endswith(".gz") else Path(path).open("rb")


NOT_GZIP = (EOFError, gzip.BadGzipFile, zlib.error)
"""What reading a ``.gz`` file that is cut or no gzip data raises."""


def suffix_of(path: str | Path) -> str:
    """``.tsv`` of ``rows.TSV.gz``."""
    return Path(str(path).removesuffix(".gz")).suffix.lower()


def numbered_lines(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Numbered lines with their ends and without a byte order mark, of which no more than :data:`LONGEST` is kept.

    Splits at newlines only, not at U+2028. Raises InputError for UTF-16.
    """
    number = 0
    while line := file.readline(LONGEST):
        number += 1
        if number == 1:
            if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                raise NotUtf8Error(f"{name} is UTF-16 text: save it as UTF-8")
            line = line.removeprefix(b"\xef\xbb\xbf")
        rest = line
        while len(rest) == LONGEST and not rest.endswith(b"\n"):
            rest = file.readline(LONGEST)
        yield number, line


def looks_quoted(fields: dict[str, str]) -> bool:
    """Whether a field is written as CSV quotes it: in a file without quoting, a sign that it has some."""
    return any('""' in text and _LOOKS_QUOTED.fullmatch(text) is not None for text in fields.values())


def _is_quoted(header: str, separator: str | None) -> bool:
    """Whether quotation marks enclose fields: by the format's definition, or because they enclose all names."""
    if separator != "\t":
        return separator is not None
    return all(len(name) > 1 and name[0] == name[-1] == '"' for name in header.split(separator))


def _text(line: bytes) -> str:
    """A line without its end. Bytes that are not UTF-8 become lone surrogates, by which such rows are found."""
    return line.decode("utf-8", "surrogateescape").removesuffix("\n").removesuffix("\r")


def _records(
    lines: Iterator[tuple[int, bytes]], separator: str | None, quoted: bool
) -> Iterator[tuple[int, list[str] | InputError]]:
    if quoted and separator is not None:
        yield from _quoted_records(lines, separator)
        return
    for number, line in lines:
        text = _text(line)
        if separator is None and not text.strip():
            continue
        long = InputError(f"it is longer than {LONGEST >> 20} MiB") if len(line) >= LONGEST else None
        yield number, long or text.split(separator)


def _quoted_records(lines: Iterator[tuple[int, bytes]], separator: str) -> Iterator[tuple[int, list[str] | InputError]]:
    """Records of one line or several. The lines after the first one of a wrong record are read again."""
    ahead: deque[tuple[int, bytes]] = deque()
    while True:
        head = ahead.popleft() if ahead else next(lines, None)
        if head is None:
            return
        if not _text(head[1]):
            continue
        record, taken, size = _QuotedRecord(separator), list[tuple[int, bytes]](), 0
        line: tuple[int, bytes] | None = head
        fault: str | None = None
        while line is not None:
            size += len(line[1])
            if size >= LONGEST:
                fault = f"it is longer than {LONGEST >> 20} MiB; is a quotation mark not closed?"
                break
            fault = record.add(line[1])
            if fault or not record.open:
                break
            line = ahead.popleft() if ahead else next(lines, None)
            if line is not None:
                taken.append(line)
        if line is None:
            fault = "the file ends within a field; is a quotation mark not closed?"
        if fault:
            ahead.extendleft(reversed(taken))
            yield head[0], InputError(f"it is not valid CSV: {fault}")
        else:
            yield head[0], record.fields


class _QuotedRecord:
    """A record of CSV that is being read, line by line."""

    def __init__(self, separator: str) -> None:
        self._separator = separator
        self._parts: list[str] = []
        self.fields: list[str] = []
        self.open = False
        """Whether a quotation mark is not closed yet."""

    def add(self, line: bytes) -> str | None:
        """Read one more line; return what is wrong with it."""
        whole = line.decode("utf-8", "surrogateescape")
        text = whole.removesuffix("\n").removesuffix("\r")
        place = 0
        while True:
            if not self.open and text.startswith('"', place):
                self.open, place = True, place + 1
            if self.open:
                end = self._closing(text, place)
                if end < 0:
                    self._parts.append(whole[place:])
                    return None
                self.fields.append("".join([*self._parts, text[place:end]]).replace('""', '"'))
                self._parts, self.open, place = [], False, end + 1
                if place < len(text) and not text.startswith(self._separator, place):
                    return f"{text[place : place + _SHOWN]!r} follows a closing quotation mark"
            else:
                end = text.find(self._separator, place)
                self.fields.append(text[place : end if end >= 0 else len(text)])
                place = end if end >= 0 else len(text)
            if place >= len(text):
                return None
            place += len(self._separator)

    @staticmethod
    def _closing(text: str, place: int) -> int:
        """Where the next quotation mark that is not doubled is; -1 where there is none."""
        while (place := text.find('"', place)) >= 0 and text.startswith('"', place + 1):
            place += 2
        return place


def _header(record: list[str] | InputError, where: str) -> tuple[str, ...]:
    if isinstance(record, InputError):
        raise InputError(f"{where}: {record}")
    names = tuple(name.strip() for name in record)
    if any("\0" in name or "\r" in name for name in names):
        raise InputError(f"{where} is no header: it holds NUL or lone carriage returns; save the file as UTF-8 text")
    if any(map(_UNDECODED.search, names)):
        raise NotUtf8Error(f"{where} is not UTF-8 text")
    if twice := next((name for name in names if name and names.count(name) > 1), None):
        raise InputError(f"{where}: the header has the column {twice!r} twice; rename one")
    return names


def _fields(names: Sequence[str], record: list[str], quoted: bool, given: bool) -> dict[str, str] | InputError:
    if len(record) != len(names):
        hint = "" if quoted or '"' not in "".join(record) else "; quotation marks are text in it and enclose nothing"
        wanted = f" where {len(names)} are expected: {', '.join(names)}" if given else f", the header has {len(names)}"
        return InputError(f"it has {len(record)} columns{wanted}{hint}")
    if any(_UNDECODED.search(text) for text in record if not text.isascii()):
        return NotUtf8Error("it is not UTF-8 text")
    return dict(zip(names, record, strict=True))
