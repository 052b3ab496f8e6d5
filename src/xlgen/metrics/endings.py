"""Whether an output was cut: by the limit of generation, or by how it ends."""

from __future__ import annotations

import math

import regex

from xlgen.metrics.base import Example

UNKNOWN = math.nan
# After the last mark quotation marks and brackets are closed. “, ‘ and « close a quotation in German, Czech, Icelandic,
# Slovenian and Danish, although Unicode calls them initial. Invisible characters may follow anywhere.
_ENDS = regex.compile(r"[\p{Sentence_Terminal}…][\p{Pe}\p{Pf}\p{Pi}\p{Po}\p{Cf}\"'`´′″\s]*$")


def truncated(example: Example) -> float:
    """Whether generation ended at the length limit.

    Where the example does not say so: whether it ends as no sentence ends although all references do. Nobody knows
    where references end like that too, or there are none; an ending alone would find only what is whole.
    """
    if example.truncated is not None:
        return float(example.truncated)
    if not example.references or not all(map(ends, example.references)):
        return UNKNOWN
    return float(not ends(example.prediction))


def ends(text: str) -> bool:
    """Whether a text ends as sentences end, with quotation marks and brackets closed after the mark."""
    return _ENDS.search(text.rstrip()[-20:]) is not None
