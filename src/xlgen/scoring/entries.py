"""Parsing of a file's record into an example to score, with its id and its group."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping
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
"""Fields that are read. ``raw`` is the prediction before clean-up, ``group`` the query that a document belongs to."""


@dataclass(frozen=True)
class Entry:
    """One good row."""

    id: str
    example: Example
    group: tuple[str, ...]
    """The row's values of the fields to group by."""
    number: int
    """The row's position among all rows, from 0."""
    numbered: bool
    """Whether the id is a row number, because the row has no id."""
    repaired: bool
    """Whether a text had a lone surrogate, which was replaced by U+FFFD."""
    unread: tuple[str, ...] = ()
    """Unknown values of the fields for truncation, such as ``finish_reason 'refusal'``."""

    @property
    def size(self) -> int:
        """Number of characters of all texts."""
        example = self.example
        texts = (example.prediction, *example.references, example.input or "", example.raw_prediction or "")
        return sum(map(len, texts))


def parse_entry(
    fields: JsonMapping,
    number: int,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Entry:
    """Parse a record.

    Args:
        fields: The record's fields; those not in :data:`FIELDS` or ``by`` are ignored.
        number: The record's position, from 0: its id if it has none.
        by: Fields to group by.
        language: Language of records without the field ``language``.
        renamed: The record's names for :data:`FIELDS`.

    Raises:
        InputError: if the record is invalid.
    """
    names = renamed or {}
    if len(fields) > 1 and not {names.get(name, name) for name in FIELDS} & fields.keys() and _are_answers(fields):
        raise InputError(
            f"it has answers by id, like SQuAD's predictions: give the questions with {argument('references')}"
        )
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
    fields: JsonMapping, language: str | None = None, renamed: Mapping[str, str] | None = None
) -> str | None:
    """The language of a record that may be invalid in other fields; None if unknown."""
    found = fields.get((renamed or {}).get("language", "language")) or language
    code = _parse_language(found) if isinstance(found, str) else None
    return code if isinstance(code, str) else None


def _are_answers(fields: JsonMapping) -> bool:
    return all(isinstance(value, str) for value in fields.values())


def _id(value: object) -> str | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise InputError(f"id must be text or a whole number, not {describe_value(value)}")
    return _replace_surrogates(str(value))


def _language(value: object, name: str) -> str:
    if value is None or value == "":
        raise InputError(f"it has no {name}; give one for all rows with {argument('language')}")
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
    except UnknownLanguageError as error:  # cached, because finding the nearest language is slow
        return error


def _group(fields: JsonMapping, name: str) -> str:
    value = fields.get(name)
    if value is None:
        raise InputError(f"it has no {name!r} to group by; it has {', '.join(fields) or 'nothing'}")
    return _replace_surrogates(value) if isinstance(value, str) else json.dumps(value)


def _whole(example: Example) -> Example:
    """``example``, or a copy without lone surrogates, which cannot be encoded and so not tokenized."""
    texts = (example.prediction, *example.references, example.input or "", example.raw_prediction or "")
    if all(text.isascii() or _replace_surrogates(text) is text for text in texts):
        return example
    return Example(
        language=example.language,
        prediction=_replace_surrogates(example.prediction),
        references=tuple(map(_replace_surrogates, example.references)),
        input=None if example.input is None else _replace_surrogates(example.input),
        raw_prediction=None if example.raw_prediction is None else _replace_surrogates(example.raw_prediction),
        truncated=example.truncated,
        group=None if example.group is None else _replace_surrogates(example.group),
    )


def _replace_surrogates(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
