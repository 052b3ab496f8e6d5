"""Acronyms in Latin letters: every language writes ``NATO`` and ``UNESCO``, so they are evidence of none."""

from __future__ import annotations

import regex

from xlgen.metrics.function_words import FUNCTION_WORD

# One word of up to eight capitals, or up to three words of up to five capitals each. Digits and joining marks may be
# inside (COVID-19, AT&T).
_CAPITAL = r"[\p{Latin}&&\p{Lu}]"
_MORE = rf"(?:[\p{{N}}.&+\-/]*{_CAPITAL})"
_APART = r"[^\p{L}]+"
_NUMBERED = rf"{_CAPITAL}\p{{N}}{{1,3}}"
_ONE, _SEVERAL = rf"(?:{_CAPITAL}{_MORE}{{1,7}}|{_NUMBERED})", rf"(?:{_CAPITAL}{_MORE}{{1,4}}|{_NUMBERED})"
_ACRONYMS = regex.compile(rf"[^\p{{L}}]*(?:{_ONE}|{_SEVERAL}(?:{_APART}{_SEVERAL}){{1,2}})[^\p{{L}}]*", regex.V1)
_SYMBOLS = regex.compile(r"[^\p{L}]*(?:[\p{Latin}\p{Greek}](?!\p{L})[^\p{L}]*){1,4}")


def is_acronym(text: str) -> bool:
    """Whether all of ``text`` is one to three acronyms or one to four single letters.

    Acronyms are ``COVID-19`` or ``NASA, ESA``, but not ``THE TIMES``. Single letters are Latin or Greek, as in a
    formula or a multiple choice: ``B``, ``x = 5``, ``π``.
    """
    found = _ACRONYMS.fullmatch(text) or _SYMBOLS.fullmatch(text)
    return found is not None and FUNCTION_WORD.search(text) is None
