"""Parsing of texts and lists of texts in the fields of a row."""

from __future__ import annotations

import json

import regex

from xlgen.core.registry import InputError
from xlgen.scoring.files import describe_value

# The parts of lists of texts as Python, pandas, NumPy and JSON write them: brackets, texts in quotation marks, numbers,
# and names of missing values. Text that only begins with a bracket has words outside quotation marks.
_STRING = r"""'(?:[^'\\]|\\.)*+'|"(?:[^"\\]|\\.)*+\""""
_CURLY = r"“[^”]*+”|‘[^’]*+’|„[^“]*+“|«[^»]*+»"
_MISSING = r"None|null|nan|NaN|<NA>"
_OTHER = r"[\[\](){},:]|\s|[+-]?\d+(?:\.\d+)?+|True|False|true|false|dtype=|object|array(?=\()"
_LIST = regex.compile(rf"(?:(?P<text>{_STRING})|(?P<curly>{_CURLY})|(?P<missing>{_MISSING})|{_OTHER})*+", regex.DOTALL)
_OPEN = ("[", "{", "(", "array(")
_CLOSE = ("]", "}", ")")
_WRITE = (
    'write a JSON list of texts only, such as ["Paris", "London"] (in a CSV field, quote the field and write "" '
    "for each of these quotation marks); write a single text that looks like a list as a list of one text"
)


def text_of(value: object, name: str) -> str:
    """The text in a field. Raises InputError for anything else."""
    if isinstance(value, str):
        return value
    hint = '; an empty output is ""' if value is None else ""
    raise InputError(f"{name} must be text, not {describe_value(value)}{hint}")


def optional_text(value: object, name: str) -> str | None:
    """The text in a field; None if it is missing. Raises InputError."""
    return None if value is None else text_of(value, name)


def references_of(several: object, one: object) -> tuple[str, ...]:
    """The references in a row.

    Args:
        several: The field ``references``: a list, one text, or a JSON list as text (in CSV).
        one: The field ``reference``: one text, used if ``several`` is None.

    Raises:
        InputError: for other values, and for a text that is a list in another notation than JSON.
    """
    value = several if several is not None else one
    if value is None or value == "":
        return ()
    if isinstance(value, str):
        return _of_cell(value)
    if not isinstance(value, list):
        raise InputError(f"references must be a list of texts, not {describe_value(value)}")
    return tuple(text_of(text, "each of references") for text in value)


def _of_cell(text: str) -> tuple[str, ...]:
    """The texts of a JSON list; or the text itself if it is not a list."""
    if not text.lstrip().startswith(_OPEN):
        return (text,)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if isinstance(found, list) and all(isinstance(each, str) for each in found):
        return tuple(found)
    if _is_list(text):
        raise InputError(f"references looks like a list that is not one of texts in JSON: {_WRITE}")
    return (text,)


def _is_list(text: str) -> bool:
    """Whether a text is a list or mapping with a text or missing value in it: not ``[1]``, not ``("yes")``."""
    text = text.strip()
    found = _LIST.fullmatch(text) if text.endswith(_CLOSE) else None
    if found is None:
        return False
    texts, curly, missing = (len(found.captures(name)) for name in ("text", "curly", "missing"))
    return texts > 1 if text.startswith("(") else bool(texts or missing or curly > 1)
