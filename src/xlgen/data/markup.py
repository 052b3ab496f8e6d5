"""Marked special tokens in text, to distinguish a template's sentinel from the same characters in data.

A special token is written between two Unicode noncharacters, which text for interchange never contains.
``<extra_id_0>`` in a task's template becomes ``token("<extra_id_0>")``; the same characters in a row of data remain
text.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
BYTE = "\ufdd2"
"""Prefix of the names of byte tokens (``<0x41>``) in a vocabulary, so that text is never read as one."""

_TOKEN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_SPLIT = re.compile(f"({_OPEN}[^{_CLOSE}]*{_CLOSE})")
_NONCHARACTERS = str.maketrans(dict.fromkeys((_OPEN, _CLOSE, BYTE), "\ufffd"))
_SENTINEL = re.compile(r"<extra_id_\d+>")


def token(name: str) -> str:
    """The special token ``name`` as marked text, which a backbone encodes as that token."""
    return f"{_OPEN}{name}{_CLOSE}"


def plain(text: str) -> str:
    """``text`` from data, without marked tokens: the noncharacters used here become U+FFFD."""
    return text.translate(_NONCHARACTERS)


def from_template(text: str) -> str:
    """The literal part of a template, in which ``<extra_id_N>`` means the sentinel."""
    return _SENTINEL.sub(lambda found: token(found[0]), plain(text))


def without_unknown_tokens(text: str, known: Collection[str]) -> str:
    """``text`` with special tokens other than ``known`` replaced by their names as text, between spaces."""
    if _OPEN not in text:
        return text
    return _TOKEN.sub(lambda found: found[0] if found[1] in known else f" {found[1]} ", text)


def tokens_in(text: str) -> list[str]:
    """The names of the special tokens in ``text``, in order."""
    return _TOKEN.findall(text)


def segments(text: str) -> list[str]:
    """``text`` split at special tokens: text at even indices, marked tokens at odd indices."""
    return _SPLIT.split(text)


def shown(text: str) -> str:
    """``text`` for display and files, with special tokens as their names."""
    return _TOKEN.sub(r"\1", text) if _OPEN in text else text


def without_tokens(text: str) -> str:
    """``text`` without special tokens; if there were any, white space becomes single spaces."""
    return " ".join(_TOKEN.sub(" ", text).split()) if _OPEN in text else text
