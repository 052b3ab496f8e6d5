"""The texts whose tokens are counted: files of lines, JSONL files, or a reader of unlabelled text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from xlgen.backbones.trimming.source import Corpus
from xlgen.core.arguments import argument
from xlgen.core.delimited import suffix_of
from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.languages import Language, distinct
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import parse_yaml
from xlgen.data.readers import UNLABELLED, DataError, readers
from xlgen.data.readers.files import FileReader, parse_object

CorpusPart: TypeAlias = str | JsonMapping
"""A path, which may contain ``{language}``, or a reader."""
_LANGUAGE = ("language", "lang")
_NO_TEXT = (*_LANGUAGE, "id", "_id", "url")
"""Fields of a row without a field ``text`` that are not read."""


def read_corpus(parts: Sequence[CorpusPart], languages: Sequence[str], data_dir: Path = Path()) -> Corpus:
    """An iterator over the texts of a corpus, each time it is called.

    Args:
        parts: Files with one text per line; JSONL files with the field ``text``, or else any fields with text, and
            possibly ``language``; both may have ``{language}`` in their paths, and end in ``.gz``. Or readers of
            unlabelled text whose rows have the field ``text``, as mappings or YAML.
        languages: The languages to read. Rows of a JSONL file in other languages are skipped. If empty, all.
        data_dir: The folder that relative paths start from.

    Raises:
        InputError: if there is no part, a file is missing, or a reader is wrong. Rows are checked when they are read.
    """
    if not parts:
        raise InputError(f"name a corpus whose tokens are counted, with {argument('corpus')}")
    codes = tuple(distinct(languages, argument("languages")))
    found = [_part(part, codes, data_dir) for part in parts]
    return lambda: (pair for part in found for pair in part())


def _part(part: CorpusPart, codes: tuple[str, ...], data_dir: Path) -> Corpus:
    if isinstance(part, str) and part.startswith("{") and not part.startswith("{language}"):
        parsed = parse_yaml(part, "the corpus") if ":" in part else None
        if not isinstance(parsed, Mapping):
            raise InputError(f"the corpus {part} is neither a path, which may contain {{language}}, nor a reader")
        part = parsed
    if isinstance(part, Mapping):
        return _from_reader(part, codes, data_dir)
    if "{language}" in part and not codes:
        raise InputError(f"the corpus {part} has a file for each language; name them with {argument('languages')}")
    files = {code: data_dir / part.replace("{language}", code) for code in codes} if "{language}" in part else {}
    files = files or {codes[0] if len(codes) == 1 else "": data_dir / part}
    for path in files.values():
        if not path.is_file():
            raise DataError(f"the corpus has no file {path}")
    return lambda: (pair for code, path in files.items() for pair in _from_file(path, code, codes))


def _from_reader(config: JsonMapping, codes: tuple[str, ...], data_dir: Path) -> Corpus:
    reader = readers.build(config, data_dir)
    chosen = codes or reader.languages()
    if not chosen:
        raise InputError(f"the corpus cannot say its languages; name them with {argument('languages')}")

    def texts() -> Iterator[tuple[str, str]]:
        for code in chosen:
            for record in reader.read(code, UNLABELLED):
                yield from ((code, text) for text in _texts(record.fields))

    return texts


def _from_file(path: Path, code: str, codes: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    reader = readers.build({"name": "lines", "path": str(path)}, Path())
    assert isinstance(reader, FileReader)
    is_jsonl = suffix_of(path) in (".jsonl", ".json")
    for number, line in reader.lines(path):
        if not line.strip():
            continue
        if not is_jsonl:
            yield code, line
            continue
        where = f"{path}, line {number}"
        row = parse_object(line, where)
        own = _language(row, where) or code
        if own in codes or not codes or not own:
            yield from ((own, text) for text in _texts(row))


def _language(row: JsonMapping, where: str) -> str:
    """The code of a row's language; empty if it has none."""
    name = next((row[key] for key in _LANGUAGE if row.get(key)), None)
    if name is None:
        return ""
    try:
        return Language.parse(str(name)).code
    except InputError as error:
        raise DataError(f"{where}: {error}") from None


def _texts(row: JsonMapping) -> Iterator[str]:
    """The texts of a row: its field ``text``, or all other fields that hold text."""
    if "text" in row:
        yield from _strings(row["text"])
    else:
        for key, value in row.items():
            if key not in _NO_TEXT:
                yield from _strings(value)


def _strings(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _strings(each)
