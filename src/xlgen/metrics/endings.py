"""Whether an output was cut: by the limit of generation, or by how it ends."""

from __future__ import annotations

import math

import regex

from xlgen.metrics.base import Example

UNKNOWN = math.nan
# After the last mark quotation marks and brackets are closed. “, ‘ and « close a quotation in German, Czech, Icelandic,
# Slovenian and Danish, although Unicode calls them initial. Invisible characters may follow anywhere; so may footnotes
# (¹, [1], [citation needed]) and emoji. The Greek question mark is a semicolon to Unicode's normal forms.
# What a keyboard without the marks of a script writes for them, shortly after its letters: | for the danda of India, ::
# for the full stop of Ethiopia, : for that of Armenia.
_INDIC = "".join(
    rf"\p{{{script}}}"
    for script in (
        *(
            "Devanagari",
            "Bengali",
            "Gurmukhi",
            "Gujarati",
            "Oriya",
            "Tamil",
            "Telugu",
            "Kannada",
            "Malayalam",
            "Sinhala",
        ),
    )
)
_AFTER = r"(?<=[{}][^{}\n]{{0,20}})"
_TYPED = "|".join(
    [
        _AFTER.format(_INDIC, "|") + r"[|｜¦]{1,2}",
        _AFTER.format(r"\p{Ethiopic}", ":፡") + r"[:፡]\s?[:፡]",
        _AFTER.format(r"\p{Armenian}", ":") + ":",
    ]
)
# Chats end sentences with notes, waves, stars and laughter: 行こう♪ またね～ と言った（笑） 그래~ ㅋㅋ
_SPOKEN = "|".join(
    [
        r"[♩♪♫♬]",
        r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}ー])[~～〜♡♥☆★]+",
        r"[(（](?:笑|泣|汗|涙|怒|爆|爆笑|苦笑)[)）]",
        r"(?<=\p{Hangul}\s*)(?:[ㅋㅎ]{2,}|[ㅠㅜ]+)",
    ]
)
_EMOTICON = r"(?<=\s|^)(?:[:;=]['’]?[-^o]?[)(\]\[DPp3|/]+|[xX]D+|<3+|\^[_.\-]?\^|T[_.]T)|[(（]\^[_.\-]?\^[)）]"
_MARK = rf"(?:[\p{{Sentence_Terminal}}…\u037e།-༑༔]|(?<=\p{{Greek}}\p{{M}}*);|{_TYPED}|{_SPOKEN}|{_EMOTICON})"
_CLOSED = r"[\p{Pe}\p{Pf}\p{Pi}\p{Po}\p{Cf}\"'`´′″\s]"
_FOOTNOTE = r"\[[^\[\]]{1,30}\]|[\u00b9\u00b2\u00b3\u2070-\u2079]"
_EMOJI = r"[\p{Extended_Pictographic}\p{Emoji_Modifier}\p{Regional_Indicator}\ufe0f\u20e3]"
_ENDS = regex.compile(rf"{_MARK}(?:{_CLOSED}|{_FOOTNOTE}|{_EMOJI}|{_SPOKEN}|{_EMOTICON})*$")
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
    """Whether a text ends as sentences end: after the mark only closing quotation marks, brackets, footnotes, emoji.

    An emoticon (``:)``), a musical note, and after letters of East Asia a wave or written laughter are such a mark too.
    """
    return _ENDS.search(text.rstrip()[-_LOOKED_AT:]) is not None
