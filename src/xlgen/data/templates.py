"""Templates that turn the fields of a record into the text of an input or a label.

``{name}`` is a text field, ``{name:form}`` a field with a list of texts: ``words`` joins them with spaces, ``spans``
with `` $$ `` (as in mT5's labels for WikiANN), and ``sentinels`` puts ``<extra_id_0>``, ``<extra_id_1>``, ... before
each (for sequence tagging: Li and Murray 2023, Table 10, after Raman et al. 2022).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from xlgen.core.json_types import JsonValue
from xlgen.data.examples import Record, is_blank
from xlgen.data.markup import from_template, plain, token
from xlgen.data.readers import DataError

FIELD = re.compile(r"\{(\w+)(?::(\w+))?\}")
SENTINELS = 100
"""Number of mT5's sentinels; words after the last one are left out of inputs and labels alike."""

Names = Mapping[str, Mapping[str, str]]


def sentinels(words: Sequence[str]) -> str:
    """``words`` as text, with a sentinel before each word."""
    return " ".join(f"{token(f'<extra_id_{number}>')}{word}" for number, word in enumerate(words[:SENTINELS]))


FORMS: Mapping[str, Callable[[Sequence[str]], str]] = {
    "words": " ".join,
    "spans": " $$ ".join,
    "sentinels": sentinels,
}


def field(record: Record, name: str, names: Names | None = None) -> JsonValue:
    """The field ``name`` of ``record``, or the text of its value in ``names``.

    ``<extra_id_N>`` is a sentinel in ``names``, but text in the field itself. Raises DataError for a missing field or
    name.
    """
    if name not in record.fields:
        raise DataError(f"{record.where}: no field {name!r}; it has {', '.join(record.fields) or 'none'}")
    value = record.fields[name]
    known = (names or {}).get(name)
    if known is None:
        return _plain(value)
    if str(value) not in known:
        raise DataError(f"{record.where}: field {name!r} is {value!r}, but the task has names for {', '.join(known)}")
    return from_template(known[str(value)])


def _plain(value: JsonValue) -> JsonValue:
    """A field's value without marked special tokens."""
    if isinstance(value, str):
        return plain(value)
    return type(value)(_plain(part) for part in value) if isinstance(value, list | tuple) else value


def fill(
    template: str, record: Record, crop: str | None = None, names: Names | None = None
) -> tuple[str, tuple[int, int] | None]:
    """Fill ``template``; also return the (start, end) of the field ``crop`` in the result."""
    text, last, croppable = "", 0, None
    for match in FIELD.finditer(template):
        value = _text(record, match[1], match[2], names)
        text += from_template(template[last : match.start()])
        if match[1] == crop:
            croppable = (len(text), len(text) + len(value))
        text += value
        last = match.end()
    return text + from_template(template[last:]), croppable


def is_blank_source(template: str, record: Record, names: Names | None = None) -> bool:
    """Whether all fields of ``template`` are blank in ``record``. Raises DataError like :func:`fill`."""
    found = FIELD.findall(template)
    return bool(found) and all(is_blank(_text(record, name, form or None, names)) for name, form in found)


def labels(target: str, record: Record, names: Names | None = None) -> tuple[JsonValue, ...]:
    """The labels from a task's ``target``: a field's value, or a filled template.

    A field with several labels gives several, also in a template.
    """
    match = FIELD.search(target)
    if match is None:
        found = field(record, target, names)
        return tuple(found) if isinstance(found, list | tuple) else (found,)
    several = record.fields.get(match[1])
    if match[2] is None and isinstance(several, list | tuple):
        before, after = map(from_template, (target[: match.start()], target[match.end() :]))
        return tuple(f"{before}{plain(str(text))}{after}" for text in several)
    return (fill(target, record, names=names)[0],)


def written(target: str, names: Names) -> tuple[str, ...]:
    """All texts that ``target`` can give, if it has a single field whose values are all in ``names``; else empty."""
    found = FIELD.findall(target) or [(target, "")]
    (name, form), *more = found
    if more or form or name not in names:
        return ()
    whole = target if "{" in target else f"{{{name}}}"
    return tuple(from_template(whole.replace(f"{{{name}}}", text)) for text in names[name].values())


def _text(record: Record, name: str, form: str | None, names: Names | None) -> str:
    value = field(record, name, names)
    if form is not None:
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise DataError(f"{record.where}: field {name!r} must be a list of texts for {{{name}:{form}}}")
        return FORMS[form](value)
    if not isinstance(value, str):
        raise DataError(f"{record.where}: field {name!r} must be text, not {type(value).__name__}")
    return value
