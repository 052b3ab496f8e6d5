"""Readers of local text files: JSONL, CSV/TSV and plain lines, with ``{language}`` and ``{split}`` in the path.

Files whose names end in ``.gz`` are decompressed while they are read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias

from pydantic import AfterValidator, Field
from typing_extensions import TypeVar

from xlgen.core.delimited import LONGEST, NOT_GZIP, NotUtf8Error, numbered_lines, open_bytes, read_delimited, suffix_of
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.untrusted import NotJsonError, parse_json
from xlgen.data.examples import Record
from xlgen.data.readers import TRAIN, DataError, Reader, ReaderOptions, canonical_codes, check_held, readers


def _check_separator(text: str) -> str:
    if any(character in text for character in '\r\n\0"'):
        raise ValueError("it cannot contain a newline, a quotation mark or a NUL")
    return text


Separator: TypeAlias = Annotated[str, Field(min_length=1, max_length=16), AfterValidator(_check_separator)]
"""The separator between the fields of a line."""


class FileOptions(ReaderOptions):
    """Options of readers of local files."""

    path: str | Mapping[str, str]
    """One path pattern, or one per split: ``{train: train.jsonl, test: "{language}.test.jsonl"}``."""
    codes: Annotated[Mapping[str, str], AfterValidator(canonical_codes)] = {}
    """The names of languages in the files, if they differ: ``{en: eng}``."""
    languages: Mapping[str, tuple[str, ...]] = {}
    """The languages of splits that do not have all: ``{train: [en]}``."""
    same_file_for_all_splits: bool = False
    """Whether the same file may be used for training and evaluation."""
    separator: Separator | None = None
    """Only for the reader ``csv``: the separator of fields. If None, a tab for ``.tsv`` files and a comma otherwise."""
    quoting: bool | None = None
    """Only for the reader ``csv``: whether fields may be enclosed in quotation marks. If None, they may, unless tabs
    separate the fields and the header has no quotation marks."""


FileOptionsT = TypeVar("FileOptionsT", bound=FileOptions, default=FileOptions, covariant=True)


class FileReader(Reader[FileOptionsT]):
    """Base of readers that find and open the file of a language and split; subclasses parse it."""

    Options = FileOptions

    def __init__(self, options: FileOptionsT, data_dir: Path) -> None:
        super().__init__(options, data_dir)
        self._one_language: dict[str, str] = {}

    def path(self, language: str, split: str) -> Path:
        """The file of ``split`` in ``language``. Raises DataError if there is none."""
        check_held(self.options.languages, language, split)
        patterns = self.options.path
        if not isinstance(patterns, str):
            if split not in patterns:
                raise DataError(f"no files are given for split {split!r}; there are: {', '.join(patterns)}")
            patterns = patterns[split]
        name = patterns.replace("{language}", self.options.codes.get(language, language)).replace("{split}", split)
        path = self.data_dir / name
        if not path.is_file():
            raise DataError(f"no file {path} (language {language}, split {split}); give its folder with data_dir=...")
        if "{language}" not in patterns and (first := self._one_language.setdefault(name, language)) != language:
            raise DataError(
                f"{path} was read as {first} and cannot be {language} too; if each language has its own file, write "
                "{language} in the path"
            )
        self._check_split(path, split)
        return path

    def _check_split(self, path: Path, split: str) -> None:
        """Raise DataError if a file would be used for both training and evaluation."""
        if self.options.same_file_for_all_splits or self.is_apart(str(path.resolve()), split):
            return
        raise DataError(
            f"{path} would be both training data and {split if split != TRAIN else 'validation or test'} data. Write "
            "{split} in the reader's path, or a path for each split (path: {train: ..., test: ...}); to use one file "
            "for all splits, set same_file_for_all_splits: true"
        )

    def lines(self, path: Path) -> Iterator[tuple[int, str]]:
        """Numbered lines of a UTF-8 file, without a byte order mark. Splits at newlines only, not at U+2028."""
        try:
            with open_bytes(path) as file:
                yield from decoded(file, str(path))
        except NOT_GZIP as error:
            raise DataError(f"{path} is not complete gzip data: {error}") from None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None

    def whole(self, path: Path, largest: int) -> str:
        """The text of a UTF-8 file, without a byte order mark, of at most ``largest`` bytes. Raises DataError."""
        try:
            with open_bytes(path) as file:
                data = bytearray()
                while len(data) <= largest and (more := file.read(2**20)):
                    data += more
        except NOT_GZIP as error:
            raise DataError(f"{path} is not complete gzip data: {error}") from None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        if len(data) > largest:
            raise DataError(f"{path} has more than {largest:,} bytes, the maximum for a file that is read as one value")
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text, from byte {error.start + 1} on") from None

    def rows(
        self, path: Path, separator: str | None, quoting: bool | None, columns: Sequence[str] = ()
    ) -> Iterator[tuple[int, dict[str, str]]]:
        """Numbered rows of a file of delimited text. Raises DataError for a bad one, with file and line."""
        try:
            with open_bytes(path) as file:
                lines = numbered_lines(file, str(path))
                for number, found in read_delimited(lines, separator, quoting, columns, str(path)):
                    if isinstance(found, NotUtf8Error):
                        raise found
                    if isinstance(found, InputError):
                        raise DataError(f"{path}, line {number}: {found}")
                    yield number, found
        except NotUtf8Error:
            raise not_utf8(path) from None
        except NOT_GZIP as error:
            raise DataError(f"{path} is not complete gzip data: {error}") from None
        except OSError as error:
            raise DataError(f"cannot read {path}: {error.strerror}") from None
        except InputError as error:
            raise (error if isinstance(error, DataError) else DataError(str(error))) from None


def not_utf8(path: Path) -> DataError:
    """The error with the position of the first byte of a file that is not UTF-8."""
    with open_bytes(path) as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return DataError(
                    f"{path} is not UTF-8 text: line {number}, byte {error.start + 1} ({line[error.start]:#04x}); "
                    "convert it, for instance with `iconv -f LATIN1 -t UTF-8`"
                )
    return DataError(f"{path} is not UTF-8 text")


def decoded(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    """Yield numbered lines of UTF-8 text without newlines.

    Raises DataError with the line number for text that is not UTF-8, and for a line over
    :data:`xlgen.core.delimited.LONGEST`.
    """
    lines = numbered_lines(file, name)
    while True:
        try:
            number, line = next(lines)
        except StopIteration:
            return
        except NotUtf8Error:
            raise DataError(f"{name} is not UTF-8 text but UTF-16; save it as UTF-8") from None
        if len(line) >= LONGEST:
            raise DataError(f"{name}, line {number} is longer than {LONGEST >> 20} MiB")
        try:
            yield number, line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name} is not UTF-8 text: line {number}, byte {error.start + 1} ({line[error.start]:#04x}); "
                "convert it, for instance with `iconv -f LATIN1 -t UTF-8`"
            ) from None


def parse_object(line: str, where: str) -> JsonObject:
    """The JSON object in ``line``. Raises DataError for anything else, and for text that cannot be encoded."""
    try:
        fields = parse_json(line, where)
        if "\\u" in line:
            # JSON may contain lone surrogates, which tokenizers reject without giving the position.
            json.dumps(fields, ensure_ascii=False).encode()
    except NotJsonError as error:
        raise DataError(str(error)) from None
    except ValueError as error:
        raise DataError(f"{where} cannot be read: {error}") from None
    if not isinstance(fields, dict):
        raise DataError(f"{where} must be a JSON object, not {type(fields).__name__}")
    return fields


@readers.register("jsonl")
class JsonlReader(FileReader):
    """One JSON object per line."""

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError with file and line."""
        path = self.path(language, split)
        for number, line in self.lines(path):
            where = f"{path}, line {number}"
            if not line.strip():
                continue
            yield Record(parse_object(line, where), where)


@readers.register("csv")
class CsvReader(FileReader):
    """Comma-separated (or, for ``.tsv`` files, tab-separated) values with a header line; fields may be quoted."""

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Rows of the file. Raises DataError with file and line."""
        path = self.path(language, split)
        separator = self.options.separator or ("\t" if suffix_of(path) == ".tsv" else ",")
        for number, fields in self.rows(path, separator, self.options.quoting):
            yield Record(fields, f"{path}, line {number}")


@readers.register("lines")
class LinesReader(FileReader):
    """Plain text, one text per line, in the field ``text``; ``line`` is its line number."""

    def read(self, language: str, split: str) -> Iterator[Record]:
        """The non-empty lines."""
        path = self.path(language, split)
        for number, line in self.lines(path):
            if line.strip():
                yield Record({"text": line.strip(), "line": number}, f"{path}, line {number}")
