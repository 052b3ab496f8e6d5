"""Clean-up of generated text before scoring (C, Appendix A; V, section 3.4)."""

from __future__ import annotations

import re
from collections.abc import Sequence

import regex

# A repeated phrase has at least so many letters, marks and digits; "ha ha" and 看看 are left alone.
_SHORTEST_PHRASE = 3

# Scripts that do not put spaces between words. There a phrase may begin at any character, elsewhere only at a word.
_SPACELESS = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_UNIT = regex.compile(rf"[{_SPACELESS}]\p{{M}}*|[^\s{_SPACELESS}]+")
_LETTER = regex.compile(r"[\p{L}\p{M}\p{N}]")


def clean(text: str, leftovers: re.Pattern[str]) -> str:
    """``text`` without leftovers of pretraining, with a phrase repeated at the end kept once, spaces made single."""
    return remove_repeated_ending(" ".join(leftovers.sub(" ", text).split()))


def remove_repeated_ending(text: str) -> str:
    """Keep a phrase that is repeated at the very end once: ``a big fire a big fire`` becomes ``a big fire``.

    A phrase is a run of words or, in scripts that do not separate words (Thai, Chinese, Japanese), of characters; so
    ``bananana`` is no repetition. The longest repeated phrase goes first, then what is repeated in the rest. Numbers
    alone are never a phrase.
    """
    units = [(match[0], match.end()) for match in _UNIT.finditer(text)]
    # One character for each distinct unit: comparing phrases is then comparing strings, fast on any length.
    number: dict[str, int] = {}
    code = "".join(chr(number.setdefault(unit, len(number))) for unit, _ in units)
    count = len(code)
    length = count // 2
    while length:
        phrase = code[count - length : count]
        if code.endswith(phrase, 0, count - length) and _is_phrase(units[count - length : count]):
            count -= length
            length = count // 2
        else:
            length -= 1
    return text if count == len(code) else text[: units[count - 1][1]]


def _is_phrase(units: Sequence[tuple[str, int]]) -> bool:
    text = "".join(unit for unit, _ in units)
    return len(_LETTER.findall(text)) >= _SHORTEST_PHRASE and any(map(str.isalpha, text))
