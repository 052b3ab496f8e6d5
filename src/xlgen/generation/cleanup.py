"""Clean-up of generated text before scoring (C, Appendix A; V, section 3.4)."""

from __future__ import annotations

import re

import regex

# A phrase of at least this many characters that stands again and again at the very end is kept once. Shorter ones,
# such as "ha ha" or a doubled letter, are left alone.
_SHORTEST_PHRASE = 3


def clean(text: str, leftovers: re.Pattern[str]) -> str:
    """``text`` without leftovers of pretraining, with a phrase repeated at the very end kept once, spaces made single."""
    return remove_repeated_ending(" ".join(leftovers.sub(" ", text).split()))


def remove_repeated_ending(text: str) -> str:
    """Keep a phrase that is repeated at the very end once: ``a big fire a big fire`` becomes ``a big fire``.

    Works on characters, so it needs no word boundaries (Thai, Chinese, Japanese); where the script separates words,
    a phrase begins at a word boundary. The longest repeated phrase goes first. Digits alone are never a phrase.
    """
    for length in range(len(text) // 2, _SHORTEST_PHRASE - 1, -1):
        phrase = text[-length:]
        rest = text[:-length]
        separator = rest[len(rest.rstrip()) :]
        if not rest.rstrip().endswith(phrase.strip()) or phrase.strip().isdigit():
            continue
        if phrase[0].isspace() or not phrase.strip():
            continue
        before = rest.rstrip()[: -len(phrase.strip())]
        if not separator and _inside_word(rest.rstrip()[-len(phrase.strip()) :], before):
            continue
        return remove_repeated_ending(rest.rstrip())
    return text


_SPACELESS = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


def _inside_word(phrase: str, before: str) -> bool:
    """Whether ``phrase`` repeats inside one word of a script that separates words (``bananana``)."""
    return not _SPACELESS.search(phrase) and (phrase[-1].isalnum() or (bool(before) and before[-1].isalnum()))
