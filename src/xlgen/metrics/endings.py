"""Detection of truncated outputs, from the length limit of generation or from how the text ends."""

from __future__ import annotations

import math

import regex

from xlgen.metrics.base import Example

UNKNOWN = math.nan
# Closing quotation marks and brackets may follow the last mark. “, ‘ and « close a quotation in German, Czech,
# Icelandic, Slovenian and Danish, although Unicode classifies them as initial. Invisible characters, footnotes (¹, [1],
# [citation needed]) and emoji may follow too. Unicode's normal forms turn the Greek question mark into a semicolon.
# Keyboards without a script's own marks write others shortly after its letters: | for the Indian danda, :: for the
# Ethiopic full stop, : for the Armenian one.
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
    """1 if generation ended at the length limit, else 0.

    If the example does not record this, the score is 1 if the prediction does not end like a sentence although all
    references do. It is NaN if a reference does not end like a sentence, or without references.
    """
    if example.truncated is not None:
        return float(example.truncated)
    if not example.references or not all(map(ends, example.references)):
        return UNKNOWN
    return float(not ends(example.prediction))


def ends(text: str) -> bool:
    """Whether a text ends like a sentence: with a mark, then only closing quotation marks, brackets, footnotes, emoji.

    An emoticon (``:)``) and a musical note count as marks. So do a wave or written laughter after East Asian letters.
    """
    return _ENDS.search(text.rstrip()[-_LOOKED_AT:]) is not None
