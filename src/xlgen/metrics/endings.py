"""Whether an output was cut: by the limit of generation, or by how it ends."""

from __future__ import annotations

import math

import regex

from xlgen.metrics.base import Example

UNKNOWN = math.nan
# After the last mark quotation marks and brackets are closed. “, ‘ and « close a quotation in German, Czech, Icelandic,
# Slovenian and Danish, although Unicode calls them initial. Invisible characters may follow anywhere; so may footnotes
# (¹, [1], [citation needed]) and emoji. The Greek question mark is a semicolon to Unicode's normal forms.
_MARK = r"(?:[\p{Sentence_Terminal}…\u037e]|(?<=\p{Greek}\p{M}*);)"
_CLOSED = r"[\p{Pe}\p{Pf}\p{Pi}\p{Po}\p{Cf}\"'`´′″\s]"
_FOOTNOTE = r"\[[^\[\]]{1,30}\]|[\u00b9\u00b2\u00b3\u2070-\u2079]"
_EMOJI = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\ufe0f\u20e3]"
_ENDS = regex.compile(rf"{_MARK}(?:{_CLOSED}|{_FOOTNOTE}|{_EMOJI})*$")
_LOOKED_AT = 60


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
    """Whether a text ends as sentences end: after the mark only closing quotation marks, brackets, footnotes, emoji."""
    return _ENDS.search(text.rstrip()[-_LOOKED_AT:]) is not None
