"""Detection of outputs that copy their input, in any Unicode normal form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import regex

from xlgen.metrics.base import Example
from xlgen.metrics.normalization import canonical
from xlgen.metrics.repeats import split_units

# A prediction is a copy if this share of its n-grams is in the input. Shorter predictions may well be names.
COPY_ORDER, COPY_SHARE, _SHORTEST_COPY = 5, 0.9, 15
UNKNOWN = math.nan
_CHARACTER = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{M}]", regex.V1)
_ALPHABETIC = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{M}]", regex.V1)


def copied(example: Example) -> float:
    """1 if the prediction copies the input and no reference does, else 0; NaN without an input.

    A copy equals the input, or has at least 15 words and 90 % of its 5-grams in the input. In scripts without spaces, a
    character counts as half a word, and as a quarter in Thai, Lao, Khmer and Burmese. Both texts are compared in the
    form that tokenizers write (:func:`xlgen.metrics.normalization.canonical`).
    """
    if example.input is None:
        return UNKNOWN
    whole = canonical(example.input)
    if not is_copy(example.prediction, whole):
        return 0.0
    return float(not any(is_copy(reference, whole) for reference in example.references))


def is_copy(text: str, whole: str) -> bool:
    """Whether ``text`` equals ``whole``, or is long and has nearly all of its n-grams in ``whole``."""
    text, whole = canonical(text), canonical(whole)
    if text.replace(" ", "") == whole.replace(" ", ""):
        return True
    units = split_units(text).units
    if len(units) - 0.5 * len(_CHARACTER.findall(text)) - 0.25 * len(_ALPHABETIC.findall(text)) < _SHORTEST_COPY:
        return False
    grams = _ngrams(units)
    there = set(_ngrams(split_units(whole).units))
    return sum(gram in there for gram in grams) >= COPY_SHARE * len(grams)


def _ngrams(units: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(units[start:] for start in range(COPY_ORDER)), strict=False))
