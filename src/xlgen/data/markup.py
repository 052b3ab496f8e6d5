"""Special tokens written into text, so that a template's sentinel is not taken for the same characters in data.

A special token is written between two noncharacters of Unicode, which no text for interchange holds. ``<extra_id_0>``
in a task's template becomes ``token("<extra_id_0>")``; the same characters in a row of data stay what they are: text.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"
BYTE = "\ufdd2"
"""Stands before the name of a byte piece (``<0x41>``) in a vocabulary, so that text never spells one."""

_TOKEN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_SPLIT = re.compile(f"({_OPEN}[^{_CLOSE}]*{_CLOSE})")
_NONCHARACTERS = str.maketrans(dict.fromkeys((_OPEN, _CLOSE, BYTE), "\ufffd"))
_SENTINEL = re.compile(r"<extra_id_\d+>")


def token(name: str) -> str:
    """The special token ``name``, as text that a backbone reads as that token."""
    return f"{_OPEN}{name}{_CLOSE}"


def plain(text: str) -> str:
    """``text`` from data: nothing in it is a special token. The noncharacters used here become U+FFFD."""
    return text.translate(_NONCHARACTERS)


def from_template(text: str) -> str:
    """The literal part of a template, in which ``<extra_id_N>`` means the sentinel."""
    return _SENTINEL.sub(lambda found: token(found[0]), plain(text))


def without_unknown_tokens(text: str, known: Collection[str]) -> str:
    """``text`` in which special tokens other than ``known`` are the characters of their names, between spaces."""
    if _OPEN not in text:
        return text
    return _TOKEN.sub(lambda found: found[0] if found[1] in known else f" {found[1]} ", text)


def tokens_in(text: str) -> list[str]:
    """The names of the special tokens in ``text``, in order."""
    return _TOKEN.findall(text)


def segments(text: str) -> list[str]:
    """What stands before, between and behind special tokens at even places, the marked tokens at odd ones."""
    return _SPLIT.split(text)


def shown(text: str) -> str:
    """``text`` for people and files: special tokens by their names."""
    return _TOKEN.sub(r"\1", text) if _OPEN in text else text


def without_tokens(text: str) -> str:
    """``text`` without special tokens, with single spaces where there were any."""
    return " ".join(_TOKEN.sub(" ", text).split()) if _OPEN in text else text
