"""CoNLL-U, the format of Universal Dependencies (https://universaldependencies.org/format.html): words and UPOS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from xlgen.core.json_types import JsonObject
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import FileReader

UPOS = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "INTJ", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ"),
    *("SYM", "VERB", "X"),
)
"""The 17 universal part-of-speech tags of UD version 2."""

_COLUMNS = 10
_RANGE = re.compile(r"(\d+)-(\d+)")
_EMPTY_NODE = re.compile(r"\d+\.\d+")
_COMMENT = re.compile(r"#\s*(\w+)\s*=\s*(.*)")


@readers.register("conllu")
class ConlluReader(FileReader):
    """CoNLL-U files. Fields: ``id`` (``sent_id``, if any), ``text`` (if any), ``tokens`` and ``tags`` (UPOS).

    Tokens are syntactic words, since these have tags: a multiword token (``3-4 zur``) is read as its words ``zu`` and
    ``der``. Empty nodes (``8.1``), which are not part of the text, are skipped.
    """

    def read(self, language: str, split: str) -> Iterator[Record]:
        """Sentences of the file. Raises DataError with file and line."""
        path = self.path(language, split)
        sentence = _Sentence(path)
        for number, line in self.lines(path):
            if line.strip():
                sentence.add(number, line)
            elif sentence.begun:
                yield sentence.record()
                sentence = _Sentence(path)
        if sentence.begun:  # the final empty line may be missing
            yield sentence.record()


class _Sentence:
    """A sentence while it is read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._comments: dict[str, str] = {}
        self._tokens: list[str] = []
        self._tags: list[str] = []
        self._first = 0
        self._last_of_range = 0

    @property
    def begun(self) -> bool:
        """Whether any line was read."""
        return self._first > 0

    def add(self, number: int, line: str) -> None:
        """Add a line of the sentence."""
        where = f"{self._path}, line {number}"
        self._first = self._first or number
        if line.startswith("#"):
            if found := _COMMENT.match(line):
                self._comments[found[1]] = found[2].strip()
            return
        columns = line.split("\t")
        if len(columns) != _COLUMNS:
            raise DataError(f"{where} has {len(columns)} columns, but CoNLL-U has {_COLUMNS}, separated by tabs")
        if found := _RANGE.fullmatch(columns[0]):
            self._check_range(int(found[1]), int(found[2]), where)
        elif not _EMPTY_NODE.fullmatch(columns[0]):
            self._add_word(columns[0], columns[1], columns[3], where)

    def _check_range(self, first: int, last: int, where: str) -> None:
        expected = len(self._tokens) + 1
        if first != expected or last < first or first <= self._last_of_range:
            raise DataError(f"{where}: the multiword token {first}-{last} is not directly before its words")
        self._last_of_range = last

    def _add_word(self, number: str, form: str, tag: str, where: str) -> None:
        expected = str(len(self._tokens) + 1)
        if number != expected:
            hint = "; sentences must be separated by an empty line" if number == "1" else ""
            raise DataError(f"{where}: expected word {expected}, not {number!r}{hint}")
        if not form.strip():
            raise DataError(f"{where}: word {number} has no form")
        if tag not in UPOS:
            raise DataError(f"{where}: {tag!r} is not one of UD's tags {', '.join(UPOS)}")
        self._tokens.append(form)
        self._tags.append(tag)

    def record(self) -> Record:
        """The complete sentence. Raises DataError for a sentence without words or an incomplete multiword token."""
        where = f"{self._path}, line {self._first}"
        if not self._tokens:
            raise DataError(f"{where}: a sentence without words")
        if self._last_of_range > len(self._tokens):
            raise DataError(f"{where}: the sentence ends before word {self._last_of_range} of its multiword token")
        about = {"id": self._comments.get("sent_id"), "text": self._comments.get("text")}
        fields: JsonObject = {key: value for key, value in about.items() if value is not None}
        return Record({**fields, "tokens": tuple(self._tokens), "tags": tuple(self._tags)}, where)
