"""Scripts of languages, and the share of a text that is in a script."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import regex

from xlgen.metrics.masking import mask

# ISO 15924 has names for combinations of scripts; Unicode's properties have only the parts.
_MIXTURES = {"Jpan": ("Hani", "Hira", "Kana"), "Hang": ("Hang", "Hani"), "Hans": ("Hani", "Bopo")}
_MIXTURES["Hant"] = _MIXTURES["Hans"]


def letters_of(script: str) -> str:
    """The letters of an ISO 15924 script (``Cyrl``, ``Jpan``), for use inside a character class of ``regex``."""
    return "".join(rf"\p{{scx={part}}}" for part in _MIXTURES.get(script, (script,)))


LETTER = regex.compile(r"[\p{L}--[\p{scx=Zyyy}\p{scx=Zinh}]]", regex.V1)
"""A letter of one or a few scripts, unlike ``ª``, which is common to all."""


def share_written(letters: Sequence[str], script: str) -> float:
    """The share of ``letters``, at least one, that belong to a script.

    Chinese characters count as Korean (``Hang``) only if there is Hangul too.
    """
    own = _own("Hangul" if script == "Hang" and not any(map(_HANGUL.match, letters)) else script)
    return sum(map(own.__contains__, letters)) / len(letters)


def share_in_script(text: str, script: str) -> float:
    """The share of the letters of ``text`` in a script; NaN without letters. Addresses and codes do not count.

    A Chinese character, a kana or a Hangul syllable counts as three letters: ``iPhone 사과`` is half Korean. Simplified
    and traditional Chinese (``Hans``, ``Hant``) are distinguished by the characters that only one of them has. Shared
    characters count for each script in proportion to those.
    """
    text = mask(text)
    own, foreign = letter_patterns(script)
    if not foreign.search(text) and (script != "Hang" or _HANGUL.search(text)):
        share = 1.0 if own.search(text) else math.nan
    elif not LETTER.search(text):
        share = math.nan
    else:
        letters, syllables = LETTER.findall(text), _SYLLABLE.findall(text)
        share = share_written([*letters, *syllables * (_LETTERS_OF_SYLLABLE - 1)], script)
    if script in _TELLING and share > 0:
        kinds = Counter(map(han_variant, text))
        telling = kinds["Hans"] + kinds["Hant"]
        share *= kinds[script] / telling if telling else 1.0
    return share


@cache
def letter_patterns(script: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """Patterns of one letter of the script, and of one letter of any other script."""
    own = letters_of(script)
    foreign = rf"[\p{{L}}--[{own}\p{{scx=Zyyy}}\p{{scx=Zinh}}]]"
    return regex.compile(rf"[\p{{L}}&&[{own}]--[\p{{scx=Zyyy}}\p{{scx=Zinh}}]]", regex.V1), regex.compile(
        foreign, regex.V1
    )


_IN_WORD = r"[\p{Latin}\p{M}\p{N}'’\-]"
_WORD_WITH_CAPITAL = regex.compile(rf"(?<!{_IN_WORD}){_IN_WORD}*\p{{Lu}}{_IN_WORD}*")
_IN_BRACKETS = regex.compile(r"[(（\[【][^()（）\[\]【】]*[)）\]】]")


def without_names(text: str, script: str) -> str:
    """``text`` without capitalized Latin words, which may be names, and without glosses in another script in brackets.

    Returns all of ``text`` if the rest has no letters.
    """
    own, foreign = letter_patterns(script)

    def gloss(found: regex.Match[str]) -> str:
        return " " if foreign.search(found[0]) and not own.search(found[0]) else str(found[0])

    rest = _WORD_WITH_CAPITAL.sub(" ", _IN_BRACKETS.sub(gloss, text))
    return rest if LETTER.search(rest) else text


_HANGUL = regex.compile(r"\p{Hangul}")
_TELLING = ("Hans", "Hant")
_SYLLABLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Hangul}]")
_LETTERS_OF_SYLLABLE = 3


@cache
def han_variant(character: str) -> str:
    """``Hans`` or ``Hant`` for a character of only simplified or only traditional Chinese, else ``""``.

    Character sets decide: GB 2312 is the standard of simplified Chinese, Big5 that of traditional Chinese, and both
    contain the shared characters. None of NTREX-128's 1,997 sentences in either script is taken for the other.
    """
    if not "\u3400" <= character <= "\u9fff":
        return ""
    simplified, traditional = _encodes(character, "gb2312"), _encodes(character, "big5")
    return "" if simplified == traditional else "Hans" if simplified else "Hant"


@cache
def is_unknown_to_japanese(character: str) -> bool:
    """Whether a Chinese character is not among the 6,355 of JIS X 0208, or only Chinese uses it: 们, 您."""
    return "\u3400" <= character <= "\u9fff" and (character in _CHINESE or not _encodes(character, "euc_jp"))


@cache
def is_only_japanese(character: str) -> bool:
    """Whether a Chinese character is in JIS X 0208 and in neither GB 2312 nor Big5: 込, 働, 気, 売."""
    return (
        "\u3400" <= character <= "\u9fff"
        and _encodes(character, "euc_jp")
        and not _encodes(character, "gb2312")
        and not _encodes(character, "big5")
    )


# Chinese pronouns and particles that JIS X 0208 contains but Japanese does not use.
_CHINESE = frozenset("們這嗎呢你您她麼沒")


def _encodes(character: str, encoding: str) -> bool:
    try:
        # Characters of the supplement JIS X 0212 have three bytes in EUC-JP.
        return len(character.encode(encoding)) == 2
    except UnicodeEncodeError:
        return False


class _Own(dict[str, bool]):
    """Whether a letter belongs to a script, cached per letter."""

    def __init__(self, script: str) -> None:
        self._pattern = regex.compile(rf"[{letters_of(script)}]", regex.V1)

    def __missing__(self, letter: str) -> bool:
        return self.setdefault(letter, self._pattern.match(letter) is not None)

    def __contains__(self, letter: object) -> bool:
        return self[str(letter)]


@cache
def _own(script: str) -> _Own:
    return _Own(script)
