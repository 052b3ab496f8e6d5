"""Unicode normalization of texts: one form for faults and language rules, named forms for scores.

Tokenizers have their own normal forms of text. SentencePiece's ``nmt_nfkc``, which mT5, mBART-50 and NLLB-200
use, is NFKC with control characters removed and invisible characters turned into spaces: a model that copies ``ＮＨＫ``
writes ``NHK``, Thai ``ำ`` becomes ``ํา``, and the zero-width non-joiner of Persian becomes a space. :func:`canonical`
brings both sides of a comparison to that form.

Unicode's composition exclusions are decomposed by NFC and NFKC alike: Bengali ``য়`` (U+09DF) is two code points in
either form, and so are Devanagari ``क़`` and Gurmukhi ``ਸ਼``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import regex

from xlgen.core.registry import InputError, nearest

Normalization: TypeAlias = Literal["none", "nfc", "nfkc", "nmt_nfkc"]
"""Named forms: the text as it is, Unicode's NFC or NFKC, or SentencePiece's ``nmt_nfkc``."""

# SentencePiece's table (0.2.3, compared over all code points in the tests). Models from before February 2021, such as
# mT5's, also turn the zero-width joiner into a space (pull request 630), so both sides of a comparison do.
_REMOVED = [*range(0x1, 0x9), 0xB, *range(0xE, 0x20), 0x7F, 0x8F, 0x9F]
_TO_SPACE = [0x9, 0xA, 0xC, 0xD, 0x61C, 0x1680, *range(0x200B, 0x2010), 0x2028, 0x2029, 0x2581, 0xFEFF, 0xFFFD]
_FULLWIDTH_TILDE = "\uff5e"  # nmt_nfkc keeps it
_INVISIBLE: dict[int, str | None] = {**dict.fromkeys(_REMOVED, None), **dict.fromkeys(_TO_SPACE, " ")}
_NOT_WORD = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def nmt_nfkc(text: str) -> str:
    """``text`` as SentencePiece's ``nmt_nfkc`` writes it, with single spaces and none at the ends."""
    # Printable ASCII text needs no table; split() handles its white space.
    if not text.isascii() or not text.isprintable():
        text = text.translate(_INVISIBLE)
        parts = (unicodedata.normalize("NFKC", part) for part in text.split(_FULLWIDTH_TILDE))
        text = _FULLWIDTH_TILDE.join(parts)
    return " ".join(text.split())


_FORMS: dict[str, Callable[[str], str]] = {
    "none": lambda text: text,
    "nfc": lambda text: unicodedata.normalize("NFC", text),
    "nfkc": lambda text: unicodedata.normalize("NFKC", text),
    "nmt_nfkc": nmt_nfkc,
}


def normalizer(form: Normalization) -> Callable[[str], str]:
    """The function that normalizes a text to ``form``. Raises InputError for an unknown form."""
    if form not in _FORMS:
        raise InputError(f"unknown normalization {form!r}: {nearest(form, get_args(Normalization))}")
    return _FORMS[form]


def signed(signature: str, form: Normalization) -> str:
    """A metric's signature with its normal form appended, unless that is ``none``."""
    return signature if form == "none" else f"{signature}|unicode-norm:{form}-{unicodedata.unidata_version}"


def canonical(text: str) -> str:
    """The form in which faults and language rules compare texts: :func:`nmt_nfkc`."""
    return nmt_nfkc(text)


def match_key(text: str) -> str:
    """A key that is equal for texts that differ only in case, spaces, invisible characters and punctuation."""
    return fold_case(_NOT_WORD.sub("", canonical(text)))


def fold_case(text: str) -> str:
    """``text`` without case in any language. All of ``I i İ ı`` become one letter, since Turkish pairs them differently
    from English."""
    return text.casefold().replace("i\u0307", "i").replace("\u0131", "i")


def readable(text: str) -> str:
    """``text`` in the form of identifiers' training data: NFKC, but with Thai and Lao am as one character."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", text).replace("\u0e4d\u0e32", "\u0e33").replace("\u0ecd\u0eb2", "\u0eb3")
