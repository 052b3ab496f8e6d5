"""Phrases that a text repeats: at its very end, and in the middle, to the letter or nearly.

A word that stands twice is no repetition: ``Bora Bora``, ``धीरे धीरे``, ``wiki wiki``, ``yavaş yavaş``. Languages double
words to mean slowly, each or many.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from xlgen.metrics.loops import has_near_loop
from xlgen.metrics.normalization import fold_case

# A repeated phrase has at least so many letters, marks and digits; "ha ha" and 看看 are left alone.
_SHORTEST_PHRASE = 3
# Three times the shortest phrase. Counted over all the repetitions, so that "ha ha ha ha ha" is a loop too.
_SHORTEST_LOOP = 9
# Letters of a phrase that comes twice at the end with other punctuation. People write "never again, never again".
_SHORTEST_TWICE = 12

# Scripts that do not put spaces between words. There a phrase may begin at any character, elsewhere only at a word.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNIT = regex.compile(rf"[{_SPACELESS}]\p{{M}}*|[^\s{_SPACELESS}]+")
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")
_MARK = regex.compile(r"[\p{P}\p{S}--['’\-]]+", regex.V1)
_STRIPPED = ".,;:!?\"'“”«»()…。，、！？।؟،-–—"
_LAST_MARK = regex.compile(r"[\p{P}\s]++$")
_ITEM = regex.compile(r"(?:(?<=^|[\s\p{P}])[(（]?(?:\p{N}{1,3}|[a-z])[.)）:、]|[①-⑳])(?=\s|\p{L})")
# The shortest phrase, of up to 50 units, three times or more. Longer limits take quadratic time on odd text.
_LOOP = re.compile(r"(.{1,50}?)\1{2,}", re.DOTALL)
_CHARACTERS = sys.maxunicode + 1


@dataclass(frozen=True)
class Units:
    """A text as words or, in scripts that do not separate words (Thai, Chinese, Japanese), as characters."""

    units: tuple[str, ...]
    ends: tuple[int, ...]
    """Where each unit ends in the text."""
    code: str
    """One character for each distinct unit: comparing phrases is then comparing strings, fast on any length."""


def split_units(text: str) -> Units:
    """The units of ``text``: ``bananana`` is one, so it repeats nothing."""
    matches = list(_UNIT.finditer(text))
    units = tuple([match[0] for match in matches])
    number: dict[str, int] = {}
    code = "".join([chr(number.setdefault(unit, len(number)) % _CHARACTERS) for unit in units])
    return Units(units, tuple([match.end() for match in matches]), code)


def remove_repeated_ending(text: str) -> str:
    """Keep a phrase that is repeated at the very end once: ``a big fire a big fire`` becomes ``a big fire``.

    The longest repeated phrase goes first, then what is repeated in the rest. Numbers alone are never a phrase, and a
    single word is one from three times on.
    """
    split = split_units(text)
    count = _without_repeated_ending(split)
    return text if count == len(split.code) else text[: split.ends[count - 1]]


def remove_repeated_substring(text: str) -> str:
    """Keep any substring of three letters or more that is repeated at the very end once, wherever it begins.

    Vu et al. (2022, footnote 12) remove "all but one occurrence of any prediction-final repeated substring". So a word
    that stands twice is cut too, ``murmur`` becomes ``mur``, and of an output that was cut within a repetition
    (``the fire the fire the fi``) the copies go. Without the limit of three letters ``will`` would become ``wil``.
    """
    whole = f" {text}"  # so that the first of several copies has a space before it like the others
    characters = Units(tuple(whole), tuple(range(1, len(whole) + 1)), whole)
    return whole[1 : _without_repeated_ending(characters, keep_doublings=False)].rstrip()


def repetitions(text: str) -> tuple[bool, bool]:
    """Whether ``text`` ends in a repeated phrase, and whether a phrase follows itself twice or more in the rest.

    The latter is ``he said he said he said that``: phrases of up to 50 units, whose repetitions together have at least
    nine letters and digits, and a letter among them; or phrases that come again and again with small changes
    (:func:`xlgen.metrics.loops.has_near_loop`). Phrases are also compared without case, punctuation and numbers of
    list items, where a phrase that comes twice at the end must be long.
    """
    split = split_units(text)
    count = _without_repeated_ending(split)
    if count == len(split.code) and (bare := _without_last_marks(split)):
        split = bare
        count = _without_repeated_ending(split)
    ending = count < len(split.code)
    loop = _has_loop(split, count)
    if not ending and _may_repeat(split.units):
        folded = split_units(_folded(text))
        ending = _ends_twice(folded)
        loop = loop or _has_loop(folded, len(folded.code), words=2)
    whole = text[: split.ends[count - 1]] if count else ""
    return ending, loop or has_near_loop(whole, split.units[:count])


def _without_last_marks(split: Units) -> Units | None:
    """``split`` without the punctuation at its end; None where its last word then comes once, and repeats nothing."""
    count = len(split.units)
    while count and not (last := _LAST_MARK.sub("", split.units[count - 1])):
        count -= 1
    if not count or (count == len(split.units) and last == split.units[-1]) or last not in split.units[: count - 1]:
        return None
    place = split.units.index(last)
    code = split.code[: count - 1] + split.code[place]
    return Units((*split.units[: count - 1], last), split.ends[:count], code)


def _may_repeat(units: Sequence[str]) -> bool:
    """Whether two words or more come again, case and punctuation aside: most sentences need no closer look."""
    return len(units) - len({unit.casefold().strip(_STRIPPED) for unit in units}) > 1


def _has_loop(split: Units, count: int, words: int = 1) -> bool:
    """Whether a phrase of so many different units or more comes three times in a row in the first ``count``."""
    loops = (each for each in _LOOP.finditer(split.code, 0, count) if len(set(each[1])) >= words)
    return any(_is_phrase(split.units[slice(*each.span())], _SHORTEST_LOOP) for each in loops)


def _folded(text: str) -> str:
    """``text`` without case, punctuation and the numbers or letters of list items."""
    return _MARK.sub(" ", _ITEM.sub(" ", fold_case(text)))


def _ends_twice(split: Units) -> bool:
    """Whether the text ends in a long phrase, of two different units or more, that comes twice in a row."""
    code, count = split.code, len(split.code)
    for length in range(count // 2, 1, -1):
        start = count - length
        if code[start - 1] == code[count - 1] and code.endswith(code[start:], 0, start):
            return len(set(code[start:])) > 1 and _is_phrase(split.units[start:], _SHORTEST_TWICE)
    return False


def _without_repeated_ending(split: Units, keep_doublings: bool = True) -> int:
    """How many units are left when a phrase repeated at the end is kept once."""
    code = split.code
    count = len(code)
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
        elif keep_doublings and (run := _run(code, start, count)):
            if run == 2:
                break  # a shorter phrase there is none
            count -= run - 1
            length = count // 2
        else:
            count -= length
            length = count // 2
    return count


def _run(code: str, start: int, count: int) -> int:
    """How often the last unit stands in a row, if the phrase from ``start`` is nothing else; 0 otherwise."""
    last = code[count - 1]
    if code.count(last, start, count) < count - start:
        return 0
    return count - len(code[:count].rstrip(last))


def _is_phrase(units: Sequence[str], shortest: int = _SHORTEST_PHRASE) -> bool:
    text = "".join(units)
    return len(_LETTER.findall(text)) >= shortest and any(map(str.isalpha, text))
