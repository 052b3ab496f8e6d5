"""Phrases that a text repeats, at its very end or elsewhere, exactly or with small changes.

A doubled word is not a repetition: ``Bora Bora``, ``धीरे धीरे``, ``wiki wiki``, ``yavaş yavaş``. Languages double words
to mean slowly, each or many. Japanese writes no space between the two: ``ゆっくりゆっくり``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from xlgen.metrics.loops import has_near_loop, stutters
from xlgen.metrics.normalization import fold_case

# Minimum number of letters, marks and digits of a repeated phrase; "ha ha" and 看看 are not repetitions.
_SHORTEST_PHRASE = 3
# Three times the shortest phrase. Counted over all repetitions, so that "ha ha ha ha ha" is a loop too.
_SHORTEST_LOOP = 9
# Minimum letters of a phrase that occurs twice at the end with other punctuation. People write "never again, never
# again".
_SHORTEST_TWICE = 12
# Maximum characters of a Japanese phrase that is doubled on purpose: 少しずつ少しずつ.
_LONGEST_DOUBLED = 5
# Minimum number of repetitions of digits and punctuation: twelve dashes are a line, and ten zeros a number.
_WITHOUT_LETTERS = 20

# Scripts without spaces between words. There, a phrase may begin at any character; elsewhere only at a word.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNIT = regex.compile(rf"[{_SPACELESS}]\p{{M}}*|[^\s{_SPACELESS}]+")
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_WORDLESS = regex.compile(r"\P{L}++")
_JAPANESE = regex.compile(
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{M}]*[\p{Hiragana}\p{Katakana}]"
    r"[\p{Han}\p{Hiragana}\p{Katakana}ー\p{M}]*"
)
_MARK = regex.compile(r"[\p{P}\p{S}--['’\-]]+", regex.V1)
_STRIPPED = ".,;:!?\"'“”«»()…。，、！？।؟،-–—"
_LAST_MARK = regex.compile(r"[\p{P}\s]++$")
_ITEM = regex.compile(r"(?:(?<=^|[\s\p{P}])[(（]?(?:\p{N}{1,3}|[a-z])[.)）:、]|[①-⑳])(?=\s|\p{L})")
# The shortest phrase of up to 50 units that occurs three times or more. Longer limits take quadratic time on odd text.
_LONGEST_PERIOD = 50
_LOOP = re.compile(rf"(.{{1,{_LONGEST_PERIOD}}}?)\1{{2,}}", re.DOTALL)
_CHARACTERS = sys.maxunicode + 1


@dataclass(frozen=True)
class Units:
    """A text as words or, in scripts that do not separate words (Thai, Chinese, Japanese), as characters."""

    units: tuple[str, ...]
    ends: tuple[int, ...]
    """The end of each unit in the text."""
    code: str
    """One character for each distinct unit, so that phrases are compared as strings, fast at any length."""


def split_units(text: str) -> Units:
    """The units of ``text``. ``bananana`` is one unit, so it repeats nothing."""
    matches = list(_UNIT.finditer(text))
    units = tuple([match[0] for match in matches])
    number: dict[str, int] = {}
    code = "".join([chr(number.setdefault(unit, len(number)) % _CHARACTERS) for unit in units])
    return Units(units, tuple([match.end() for match in matches]), code)


def remove_repeated_ending(text: str) -> str:
    """Remove repetitions of a phrase at the very end: ``a big fire a big fire`` becomes ``a big fire``.

    The longest repeated phrase is removed first, then repetitions in the rest. Digits and punctuation without a letter
    must occur twenty times. A single word, or up to five characters of Japanese with kana, must occur three times.
    """
    split = split_units(text)
    count = _without_repeated_ending(split)
    return text if count == len(split.code) else text[: split.ends[count - 1]]


def remove_repeated_substring(text: str) -> str:
    """Remove repetitions of a substring of three letters or more at the very end, wherever it begins.

    Vu et al. (2022, footnote 12) remove "all but one occurrence of any prediction-final repeated substring". So doubled
    words are removed too, ``murmur`` becomes ``mur``, and an output that was truncated within a repetition (``the fire
    the fire the fi``) loses the copies. Without the limit of three letters, ``will`` would become ``wil``.
    """
    whole = f" {text}"  # so that the first of several copies has a space before it like the others
    characters = Units(tuple(whole), tuple(range(1, len(whole) + 1)), whole)
    return whole[1 : _without_repeated_ending(characters, keep_doublings=False)].rstrip()


def repetitions(text: str) -> tuple[bool, bool]:
    """Whether ``text`` ends in a repeated phrase, and whether the rest contains a loop.

    A loop is ``he said he said he said that``: a phrase of up to 50 units that occurs three times or more in a row. Its
    repetitions together have at least nine letters and digits, at least one of them a letter. A phrase repeated with
    small changes (:func:`xlgen.metrics.loops.has_near_loop`) is a loop too. A phrase without letters is a loop if it
    occurs twenty times, also at the end (``2018, 2018, 2018, ...``). Phrases are also compared without case,
    punctuation and list numbers; a phrase that then occurs twice at the end must be long.
    """
    split = split_units(text)
    endless = _wordless_ending(split) < len(split.code) or any(map(stutters, split.units))
    count = _without_repeated_ending(split)
    if count == len(split.code) and (bare := _without_last_marks(split)):
        split = bare
        count = _without_repeated_ending(split)
    ending = count < len(split.code)
    loop = _has_loop(split, count) or endless
    if not ending and _may_repeat(split.units):
        folded = split_units(_folded(text))
        ending = _ends_twice(folded)
        loop = loop or _has_loop(folded, len(folded.code), words=2)
    whole = text[: split.ends[count - 1]] if count else ""
    return ending, loop or has_near_loop(whole, split.units[:count])


def _without_last_marks(split: Units) -> Units | None:
    """``split`` without the punctuation at its end; None if that changes nothing or the last word occurs only once."""
    count = len(split.units)
    while count and not (last := _LAST_MARK.sub("", split.units[count - 1])):
        count -= 1
    if not count or (count == len(split.units) and last == split.units[-1]) or last not in split.units[: count - 1]:
        return None
    place = split.units.index(last)
    code = split.code[: count - 1] + split.code[place]
    return Units((*split.units[: count - 1], last), split.ends[:count], code)


def _may_repeat(units: Sequence[str]) -> bool:
    """Whether two words or more are repeated, ignoring case and punctuation. Most sentences need no further checks."""
    return len(units) - len({unit.casefold().strip(_STRIPPED) for unit in units}) > 1


def _has_loop(split: Units, count: int, words: int = 1) -> bool:
    """Whether a phrase of ``words`` or more distinct units occurs three times in a row in the first ``count`` units."""
    loops = (each for each in _LOOP.finditer(split.code, 0, count) if len(set(each[1])) >= words)
    for each in loops:
        units = split.units[slice(*each.span())]
        if _is_phrase(units, _SHORTEST_LOOP) or (
            len(units) >= _WITHOUT_LETTERS * len(each[1]) and all(map(_WORDLESS.fullmatch, units))
        ):
            return True
    return False


def _folded(text: str) -> str:
    """``text`` without case, punctuation and the numbers or letters of list items."""
    return _MARK.sub(" ", _ITEM.sub(" ", fold_case(text)))


def _ends_twice(split: Units) -> bool:
    """Whether the text ends in a long phrase, of two distinct units or more, that occurs twice in a row."""
    code, count = split.code, len(split.code)
    for length in range(count // 2, 1, -1):
        start = count - length
        if code[start - 1] == code[count - 1] and code.endswith(code[start:], 0, start):
            return len(set(code[start:])) > 1 and _is_phrase(split.units[start:], _SHORTEST_TWICE)
    return False


def _without_repeated_ending(split: Units, keep_doublings: bool = True) -> int:
    """The number of units that remain when a phrase repeated at the end is kept once."""
    code = split.code
    count = _wordless_ending(split) if keep_doublings else len(code)
    length = count // 2
    while length:
        start = count - length
        # The last units are compared first: slices of a text of a megabyte, one for each length, would take minutes.
        if not (
            code[start - 1] == code[count - 1]
            and code.endswith(code[start:count], 0, start)
            and _is_phrase(split.units[start:count])
        ):
            length -= 1
        elif keep_doublings and (root := _doubled(split, start, count)):
            times = _times(code, root, count)
            if times == 2:
                length -= 1
            else:
                count -= (times - 1) * root
                length = count // 2
        else:
            count -= length
            length = count // 2
    return count


def _doubled(split: Units, start: int, count: int) -> int:
    """The length of the phrase that is repeated from ``start``, if it is one that languages double; 0 otherwise.

    Languages double a word, or a few characters of Japanese with kana.
    """
    phrase = split.code[start:count]
    for length in range(1, _LONGEST_DOUBLED + 1):
        if phrase == phrase[:length] * (len(phrase) // length):
            japanese = _JAPANESE.fullmatch("".join(split.units[start : start + length]))
            return length if length == 1 or japanese else 0
    return 0


def _times(code: str, length: int, count: int) -> int:
    """The number of consecutive occurrences of the last ``length`` units before ``count``."""
    phrase, times = code[count - length : count], 1
    while code.endswith(phrase, 0, count - times * length):
        times += 1
    return times


def _wordless_ending(split: Units) -> int:
    """The number of units that remain when a phrase without letters, repeated twenty times at the end, is kept once."""
    code = split.code
    first = count = len(code)
    while first and _WORDLESS.fullmatch(split.units[first - 1]):
        first -= 1
    for length in range(1, min(_LONGEST_PERIOD, (count - first) // _WITHOUT_LETTERS) + 1):
        start = count - length
        while start > first and code[start - 1] == code[start - 1 + length]:
            start -= 1
        if count - start >= _WITHOUT_LETTERS * length:
            return count - (count - start) // length * length + length
    return count


def _is_phrase(units: Sequence[str], shortest: int = _SHORTEST_PHRASE) -> bool:
    text = "".join(units)
    return len(_LETTER.findall(text)) >= shortest and any(map(str.isalpha, text))
