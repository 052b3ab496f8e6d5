"""What in a text is no word of a language: addresses, handles, hashtags, file names, codes and units."""

from __future__ import annotations

import regex

from xlgen.metrics.unspaced import UNSPACED

# A letter next to which an address or a code would be a part of a word; in scripts without spaces they are not.
_LETTER = rf"[\p{{L}}--[{UNSPACED}]]"

# Each of these has a character that prose seldom has inside of a word; texts without any are not searched.
_HINT = regex.compile(r"[@#\\/_<`]|\d\p{L}|\p{L}\d|\p{L}\.\p{L}|\d[\s\u00a0\u202f]?[a-zµμΩ°]{1,4}\b")
_PARTS = (
    r"`[^`\n]+`",  # code
    r"</?[A-Za-z][^<>\n]*>|&(?:[a-z]+|\#\d+);",  # markup
    rf"(?<![A-Za-z0-9+.\-])(?:[a-z][a-z0-9+.\-]*+://|www\.)[[^\s<>\"'«»“”、。）)\]]--[{UNSPACED}]]+",
    r"(?<![A-Za-z0-9._+\-])[A-Za-z0-9._+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)+",  # e-mail
    r"(?<![A-Za-z0-9_@])@[A-Za-z0-9_\-]+(?:\.[A-Za-z0-9_\-]+)*",  # handles
    r"(?<![\w#])#[\w\-]+(?:\.[\w\-]+)*",  # hashtags
    r"(?<![\w.~\-])(?:[A-Za-z]:)?[\w.~\-]*[\\/](?:[\w.~\-]+[\\/])+[\w.~\-]*",  # paths with two separators or more
    # domains and files
    rf"(?<![A-Za-z0-9\-])(?=[0-9\-]*[A-Za-z])[A-Za-z0-9\-]++(?:\.[A-Za-z0-9\-]+)*\.[a-z]{{2,4}}(?:/[[^\s]--[{UNSPACED}]]*)?(?!{_LETTER})",
    r"(?<!\w)\w*_\w+(?:_\w+)*",  # identifiers
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
_NO_WORDS = regex.compile("|".join(f"(?:{part})" for part in _PARTS), regex.V1)


def mask(text: str) -> str:
    """``text`` with what is no word replaced by spaces, so that places in the text stay the same."""
    if not _HINT.search(text):
        return text
    return _NO_WORDS.sub(lambda match: " " * len(match[0]), text)
