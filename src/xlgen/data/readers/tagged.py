"""One word and its tag per line, with empty lines between sentences: CoNLL-2003 and most IOB datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import FileOptions, FileReader, Separator

_DOCUMENT = "-DOCSTART-"
_ID = "# sent_id ="


class TaggedOptions(FileOptions):
    """Options of the reader ``tagged``."""

    separator: Separator | None = "\t"
    """The separator of columns. If None, any white space (CoNLL-2003, XGLUE)."""


@readers.register("tagged")
class TaggedReader(FileReader[TaggedOptions]):
    """One word and its tag per line, with empty lines between sentences. Fields: ``tokens`` (the first column),
    ``tags`` (the last column), and ``id`` if there is a ``# sent_id``.

    A line that begins with ``#`` and has one column is a comment; lines with ``-DOCSTART-`` are skipped.
    """

    Options = TaggedOptions

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Sentences of the file. Raises DataError with file and line."""
        path = self.path(language, split)
        rows: list[tuple[str, str]] = []
        first, name = 0, ""
        for number, line in self.lines(path):
            columns = line.split(self.options.separator)
            if not line.strip():
                if rows:
                    yield _record(rows, name, path, first)
                rows, name = [], ""
            elif (len(columns) == 1 and line.startswith("#")) or (line.startswith(_ID) and not rows):
                name = line.removeprefix(_ID).strip() if line.startswith(_ID) else name
            elif columns[0] != _DOCUMENT:
                first = first if rows else number
                rows.append(_word(columns, f"{path}, line {number}"))
        if rows:
            yield _record(rows, name, path, first)


def _word(columns: list[str], where: str) -> tuple[str, str]:
    if len(columns) < 2:
        raise DataError(f"{where} must have a word and its tag; it has {len(columns)} column: {columns[0][:40]!r}")
    word, tag = columns[0].strip(), columns[-1].strip()
    if not word or not tag or any(char.isspace() for char in tag):
        raise DataError(f"{where} must have a word and its tag, not {word!r} and {tag!r}")
    return word, tag


def _record(rows: list[tuple[str, str]], name: str, path: Path, first: int) -> Record:
    tokens, tags = zip(*rows, strict=True)
    fields = {"tokens": tokens, "tags": tags}
    return Record({"id": name, **fields} if name else fields, f"{path}, line {first}")
