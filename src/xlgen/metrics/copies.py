"""Whether an output is a copy of its input, in any normal form."""

from __future__ import annotations

import math
from collections.abc import Sequence

import regex

from xlgen.metrics.base import Example
from xlgen.metrics.normalization import canonical
from xlgen.metrics.repeats import split_units

# A prediction is a copy if so large a share of its n-grams is in the input; shorter ones may well be names.
COPY_ORDER, COPY_SHARE, _SHORTEST_COPY = 5, 0.9, 15
UNKNOWN = math.nan
_CHARACTER = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{M}]", regex.V1)
_ALPHABETIC = regex.compile(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}--\p{M}]", regex.V1)


def copied(example: Example) -> float:
    """Whether the prediction is the input or a copy of parts of it, while no reference is.

    A copy has at least 15 words (where no spaces separate words, a character is half a word, and a quarter of one in
    Thai, Lao, Khmer and Burmese), and 90 % of its 5-grams are in the input.
    Both are compared in the form that tokenizers write (:func:`xlgen.metrics.normalization.canonical`).
    """
    if example.input is None:
        return UNKNOWN
    whole = canonical(example.input)
    if not is_copy(example.prediction, whole):
        return 0.0
    return float(not any(is_copy(reference, whole) for reference in example.references))


def is_copy(text: str, whole: str) -> bool:
    """Whether ``text`` is all of ``whole``, or nearly all n-grams of a long ``text`` are in it."""
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
