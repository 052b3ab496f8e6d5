"""From a record of a file to an example to score, with its id and its place in the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from xlgen.core.languages import Language, UnknownLanguageError
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.scoring.cells import optional_text, references_of, text_of
from xlgen.scoring.files import describe_value
from xlgen.scoring.reasons import truncation

FIELDS = (
    *("id", "language", "prediction", "references", "reference", "input", "raw", "truncated", "finish_reason"),
    "group",
)
"""What is read of a record. ``raw`` is the prediction before clean-up, ``group`` what it is ranked with: its query."""


@dataclass(frozen=True)
class Entry:
    """One good row."""

    id: str
    example: Example
    group: tuple[str, ...]
    """The row's values of the fields that the table is by."""
    number: int
    """The row's place among all rows, from 0."""
    numbered: bool
    """Whether the id is such a number, for the row has none."""
    mended: bool
    """Whether a text held half of a surrogate pair, which is read as U+FFFD."""
    unread: tuple[str, ...] = ()
    """Values that were to say whether the output was cut, and that nobody knows: ``finish_reason 'refusal'``."""

    @property
    def size(self) -> int:
        """Characters of its texts."""
        example = self.example
        texts = (example.prediction, *example.references, example.input or "", example.raw_prediction or "")
        return sum(map(len, texts))


def parse_entry(
    fields: Mapping[str, Any],
    number: int,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Entry:
    """The entry in a record.

    Args:
        fields: Of the record; those not in :data:`FIELDS` or ``by`` are passed over.
        number: Of the record, from 0: its id where it has none.
        by: Fields whose values say which figures it goes into.
        language: Of records that do not say theirs.
        renamed: The record's names for :data:`FIELDS`.

    Raises:
        InputError: that says what is wrong with the record.
    """
    names = renamed or {}
    if len(fields) > 1 and not {names.get(name, name) for name in FIELDS} & fields.keys() and _are_answers(fields):
        raise InputError("it has answers by id, as SQuAD's predictions are: give the questions with --references")
    found = {name: fields.get(names.get(name, name)) for name in FIELDS}
    code = _language(found["language"] or language, names.get("language", "language"))
    truncated, unread = truncation(found["truncated"], found["finish_reason"])
    example = Example(
        language=code,
        prediction=text_of(found["prediction"], names.get("prediction", "prediction")),
        references=references_of(found["references"], found["reference"]),
        input=optional_text(found["input"], "input"),
        raw_prediction=optional_text(found["raw"], "raw"),
        truncated=truncated,
        group=None if found["group"] is None else str(found["group"]),
    )
    whole = _whole(example)
    group = tuple(code if name == "language" else _group(fields, name) for name in by)
    name = _id(found["id"])
    return Entry(
        str(number) if name is None else name, whole, group, number, name is None, whole is not example, unread
    )


def language_of(
    fields: Mapping[str, Any], language: str | None = None, renamed: Mapping[str, str] | None = None
) -> str | None:
    """The language of a record that may be bad otherwise; None where nothing says it."""
    found = fields.get((renamed or {}).get("language", "language")) or language
    code = _parse_language(found) if isinstance(found, str) else None
    return code if isinstance(code, str) else None


def _are_answers(fields: Mapping[str, Any]) -> bool:
    return all(isinstance(value, str) for value in fields.values())


def _id(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"id must be text or a whole number, not {describe_value(value)}")
    return _mend(str(value))


def _language(value: object, name: str) -> str:
    if value is None or value == "":
        raise InputError(f"it has no {name}; give one for all rows with --language")
    if not isinstance(value, str):
        raise InputError(f"{name} must be text, not {describe_value(value)}")
    found = _parse_language(value)
    if isinstance(found, UnknownLanguageError):
        raise found
    return found


@lru_cache(maxsize=10_000)
def _parse_language(text: str) -> str | UnknownLanguageError:
    try:
        return Language.parse(text).code
    except UnknownLanguageError as error:  # kept, for what is nearest takes long to find
        return error


def _group(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise InputError(f"it has no {name!r} to group by; it has {', '.join(fields) or 'nothing'}")
    return _mend(value) if isinstance(value, str) else json.dumps(value)


def _whole(example: Example) -> Example:
    """``example``, or a copy in which no text holds a lone surrogate, which no encoding and so no tokenizer takes."""
    texts = (example.prediction, *example.references, example.input or "", example.raw_prediction or "")
    if all(text.isascii() or _mend(text) is text for text in texts):
        return example
    return Example(
        language=example.language,
        prediction=_mend(example.prediction),
        references=tuple(map(_mend, example.references)),
        input=None if example.input is None else _mend(example.input),
        raw_prediction=None if example.raw_prediction is None else _mend(example.raw_prediction),
        truncated=example.truncated,
        group=None if example.group is None else _mend(example.group),
    )


def _mend(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
