"""Masking of text that is not words of a language: addresses, handles, hashtags, file names, codes and units."""

from __future__ import annotations

import html

import regex

from xlgen.metrics.unspaced import UNSPACED

# A letter that makes an adjacent address or code part of a word. In scripts without spaces, letters do not.
_LETTER = rf"[\p{{L}}--[{UNSPACED}]]"

# Letters of names in code, paths and hashtags; letters of scripts without spaces are excluded.
_NAME = rf"[\w--[{UNSPACED}]]"
_IN_NAME = rf"[{_NAME}\-]"
# Every masked part matches this pattern, which prose rarely does; other texts are not searched.
_HINT = regex.compile(r"[@#\\/_<`]|\d\p{L}|\p{L}\d|\p{L}\.\p{L}|\d[\s\u00a0\u202f]?[a-zµμΩ°]{1,4}\b")
_PARTS = (
    r"`[^`\n]+`",  # code
    r"</?[A-Za-z][^<>\n]*>",  # markup
    rf"(?<![A-Za-z0-9+.\-])(?:[a-z][a-z0-9+.\-]*+://|www\.)[[^\s<>\"'«»“”、。）)\]]--[{UNSPACED}]]+",
    r"(?<![A-Za-z0-9._+\-])[A-Za-z0-9._+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+",  # e-mail
    r"(?<![A-Za-z0-9_@])@[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*",  # handles
    rf"(?<![\w#])#{_IN_NAME}+(?:\.{_IN_NAME}+)*",  # hashtags
    # paths with two separators or more
    rf"(?<!{_IN_NAME}|[.~])(?:[A-Za-z]:)?[{_NAME}.~\-]*[\\/](?:[{_NAME}.~\-]+[\\/])+[{_NAME}.~\-]*",
    # domains and files
    rf"(?<![A-Za-z0-9\-])(?=[0-9\-]*[A-Za-z])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]+)*\.[a-z]{{2,4}}(?:/[[^\s]--[{UNSPACED}]]*)?(?!{_LETTER})",
    rf"(?<!{_NAME}){_NAME}*_{_NAME}+(?:_{_NAME}+)*",  # identifiers
    rf"(?<!{_LETTER}|\p{{N}}|\p{{N}}[.,:\-])"
    r"\p{N}[\p{N}.,:\-]*[\s\u00a0\u202f]?"  # a number with its unit
    r"(?:[kMGTcmµμnphd]?(?:m|g|l|L|s|W|V|A|Hz|Pa|J|N|B|b|eV|Wh|bit|bps|byte|cal|mol)[²³]?"
    r"|km/h|m/s|mph|°[CF]|Ω|kΩ|px|fps|rpm|dB|ha|cm|mm|km|kg|ft|in|lb|oz|GB|MB|KB|TB|am|pm)(?:/[a-z]{1,3}[²³]?)?"
    rf"(?!{_LETTER}|\p{{N}})",
    # codes of letters and digits: 802.11b, H2O
    rf"(?<!{_LETTER}|\p{{N}}|[A-Za-z0-9][.\-])"
    r"(?=[A-Za-z0-9])(?=[A-Za-z0-9.\-]*[0-9])(?=[A-Za-z0-9.\-]*[A-Za-z])[A-Za-z0-9]+(?:[.\-][A-Za-z0-9]+)*"
    rf"(?!{_LETTER})",
)
_ENTITY = regex.compile(r"&(?:[A-Za-z][A-Za-z0-9]{1,30}|#[0-9]{1,7}|#x[0-9A-Fa-f]{1,6});")
FILLER = "\u034f"
"""The combining grapheme joiner, which is invisible. It fills the places of a longer text."""


def _decoded(entity: regex.Match[str]) -> str:
    found = html.unescape(entity[0])
    letter = found if len(found) == 1 and found.isalpha() else " "
    return letter + (FILLER if letter != " " else " ") * (len(entity[0]) - 1)


_NO_WORDS = regex.compile("|".join(f"(?:{part})" for part in _PARTS), regex.V1)


def mask(text: str) -> str:
    """Replace parts of ``text`` that are not words with spaces, so that positions in the text stay the same.

    An HTML entity becomes its letter followed by :data:`FILLER`, or spaces.
    """
    if "&" in text:
        text = _ENTITY.sub(_decoded, text)
    if not _HINT.search(text):
        return text
    return _NO_WORDS.sub(lambda match: " " * len(match[0]), text)
