"""What in a text is no word of a language: addresses, handles, hashtags, file names, codes and units."""

from __future__ import annotations

import regex

# Each of these has a character that prose seldom has inside of a word; texts without any are not searched.
_HINT = regex.compile(r"[@#\\/_<`]|\d\p{L}|\p{L}\d|\p{L}\.\p{L}|\d[\s\u00a0\u202f]?[a-zµμΩ°]{1,4}\b")
_PARTS = (
    r"`[^`\n]+`",  # code
    r"</?[A-Za-z][^<>\n]*>|&(?:[a-z]+|\#\d+);",  # markup
    r"(?:[a-z][a-z0-9+.\-]*://|www\.)[^\s<>\"'«»“”、。）)\]]+",
    r"[\w.+\-]+@[\w\-]+(?:\.[\w\-]+)+",  # e-mail
    r"(?<![\w@])[@#][\w\-]+(?:\.[\w\-]+)*",  # handles and hashtags
    r"(?<!\w)(?:[A-Za-z]:)?[\w.~\-]*[\\/](?:[\w.~\-]+[\\/])+[\w.~\-]*",  # paths with two separators or more
    # domains and files
    r"[A-Za-z0-9\-]*[A-Za-z][A-Za-z0-9\-]*(?:\.[A-Za-z0-9\-]+)*\.[a-z]{2,4}(?:/[^\s]*)?(?![\p{L}\p{M}])",
    r"\w*_\w+(?:_\w+)*",  # identifiers
    r"(?<![\p{L}\p{N}])\p{N}[\p{N}.,:\-]*[\s\u00a0\u202f]?"  # a number with its unit
    r"(?:[kMGTcmµμnphd]?(?:m|g|l|L|s|W|V|A|Hz|Pa|J|N|B|b|eV|Wh|bit|bps|byte|cal|mol)[²³]?"
    r"|km/h|m/s|mph|°[CF]|Ω|kΩ|px|fps|rpm|dB|ha|cm|mm|km|kg|ft|in|lb|oz|GB|MB|KB|TB|am|pm)(?:/[a-z]{1,3}[²³]?)?"
    r"(?![\p{L}\p{N}])",
    # codes of letters and digits: 802.11b, H2O
    r"(?<![\p{L}\p{M}\p{N}])(?=[\w.\-]*\p{N})(?=[\w.\-]*[A-Za-z])[A-Za-z0-9]+(?:[.\-][A-Za-z0-9]+)*(?![\p{L}\p{M}])",
)
_NO_WORDS = regex.compile("|".join(f"(?:{part})" for part in _PARTS))


def mask(text: str) -> str:
    """``text`` with what is no word replaced by spaces, so that places in the text stay the same."""
    if not _HINT.search(text):
        return text
    return _NO_WORDS.sub(lambda match: " " * len(match[0]), text)
