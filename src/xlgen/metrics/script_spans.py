"""Spans of a text in a script other than its language's: words in a row, mixed words, Chinese within Japanese."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import regex

from xlgen.core.languages import Language
from xlgen.metrics.function_words import FUNCTION_WORD, IN_TITLE
from xlgen.metrics.scripts import han_variant, is_unknown_to_japanese, letter_patterns
from xlgen.metrics.unspaced import UNSPACED

# Minimum number of consecutive words of another script in a span; a character of a script without spaces is half a
# word. Technical terms of two Latin words (visual novel) are borrowed unchanged, but not with a function word.
_FOREIGN_WORDS = 2
_LATIN_WORDS = 3
# Minimum number of characters that Japanese lacks, in a run without kana, to count as Chinese.
_CHINESE = 2
# Chinese characters of the longest Korean name or gloss.
_LONGEST_HANJA = 7

# A letter of a script without spaces is a word by itself: Latin names in Chinese text have no spaces around them.
_SPACED = rf"[\p{{L}}--[{UNSPACED}]]"
_WORD = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]\p{{M}}*+|{_SPACED}(?:{_SPACED}|[\p{{M}}'’])*+", regex.V1)
_CHARACTER = regex.compile(rf"[{UNSPACED}]", regex.V1)
_HAN = regex.compile(r"\p{Han}")
_HAN_RUN = regex.compile(r"[\p{Han}\p{P}\p{N}\s]+")
_CAPITAL = regex.compile(r"\p{Lu}")
_LATIN = regex.compile(r"\p{Latin}")
# Characters that join two words into one (apt-get, tcl/tk), and characters that separate list items.
_JOINED = regex.compile(r"[\-‐‑/.:_+&·@]")
_APART = regex.compile(r"[^\s'’\"“”«»„]|\s[\-–—]\s")
# Prefixes written together with a following name: and, in, to, the ... in Arabic, Persian, Urdu and Hebrew.
_PREFIX = regex.compile(r"[وفبكلس]{0,2}(?:ال|لل)?ـ*|[והבלכמש]{1,3}")
# Letters of the longest ending written together with a foreign word before it, as in Russian email'ом.
_LONGEST_ENDING = 3
# Persian has longer ones: maintainerهایشان.
_LONGEST_ARABIC_ENDING = 6


@dataclass(frozen=True, order=True)
class Span:
    """A part of a text, ``text[start:end]``."""

    start: int
    end: int
    language: str
    """Code of the candidate language written in the span's script; ``""`` if there is none."""


def by_script(text: str, target: Language, others: Sequence[Language] = ()) -> list[Span]:
    """The spans in another script, in a text that also has letters of the target's script.

    - Three consecutive words in Latin letters (two with an English function word), two in other letters, or four
      characters, without a comma or the like between them. Names (words with a capital letter) do not count.
    - A word that mixes scripts (``المellschaft``), except foreign words with a prefix or an ending of the language.
    - In Japanese, Chinese with two or more characters that Japanese lacks. In Korean, Chinese with simplified
      characters, or longer than names and glosses.
    """
    own, foreign = letter_patterns(target.script)
    chinese = list(_chinese(text, others, target.script)) if target.script in ("Jpan", "Hang") else []
    if not foreign.search(text) or not own.search(text):
        return chinese
    words = list(_WORD.finditer(text))
    found = [Span(*word.span(), _written(word[0], others, own)) for word in words if _mixes(word[0], target)]
    for is_foreign, group in groupby(words, key=lambda word: foreign.match(word[0]) is not None):
        if is_foreign:
            found += [span for run in _runs(text, list(group), own) for span in _span(text, run, others)]
    return found + chinese


def _runs(
    text: str, words: Sequence[regex.Match[str]], own: regex.Pattern[str]
) -> Iterator[Sequence[regex.Match[str]]]:
    """Runs of foreign words, split at list items and after a word with an ending in the target's script."""
    start = 0
    for place in range(1, len(words)):
        before, word = words[place - 1], words[place]
        gap = text[before.end() : word.start()]
        if own.search(before[0]) or (_APART.search(gap) and not _JOINED.fullmatch(gap)):
            yield words[start:place]
            start = place
    yield words[start:]


def _span(text: str, words: Sequence[regex.Match[str]], others: Sequence[Language]) -> Iterator[Span]:
    """A span over a run of foreign words, if enough of them are not names; joined words count as one."""
    weight = 0.0
    for place, word in enumerate(words):
        is_joined = place > 0 and _JOINED.fullmatch(text, words[place - 1].end(), word.start())
        if not (is_joined or word[0][0].isupper()):
            weight += 0.5 if _CHARACTER.match(word[0]) else 1.0
    start, end = words[0].start(), words[-1].end()
    if _is_title(words):
        return
    is_term = _LATIN.match(words[0][0]) and not FUNCTION_WORD.search(text, start, end)
    if weight >= (_LATIN_WORDS if is_term else _FOREIGN_WORDS):
        yield Span(start, end, _written(words[0][0], others))


def _is_title(words: Sequence[regex.Match[str]]) -> bool:
    """Whether the words are a title: capitalized, except function words between them, as in ``Game of the Year``."""
    capitals = [word[0][0].isupper() for word in words]
    small = (word[0] for word, is_capital in zip(words, capitals, strict=True) if not is_capital)
    return capitals[0] and capitals[-1] and all(map(IN_TITLE.fullmatch, small))


def _written(word: str, others: Sequence[Language], own: regex.Pattern[str] | None = None) -> str:
    """Code of the first language in ``others`` whose script has the first letter of ``word`` not matched by ``own``."""
    letter = next((letter for letter in word if own is None or not own.match(letter)), word[0])
    return next((other.code for other in others if letter_patterns(other.script)[0].match(letter)), "")


def _mixes(word: str, target: Language) -> bool:
    """Whether a word mixes letters of two scripts, other than a foreign word with a prefix or an ending."""
    own, foreign = letter_patterns(target.script)
    if len(word) < 2 or not foreign.search(word) or not own.search(word):
        return False
    parts = [("".join(group), is_own) for is_own, group in groupby(word, key=lambda c: foreign.match(c) is None)]
    (first, first_is_own), (second, _) = parts[0], parts[1]
    if len(parts) > 2:
        return True
    if first_is_own:
        return not (_PREFIX.fullmatch(first) or _CAPITAL.search(second)) and len(second) > 1
    if target.script == "Hang" or len(first) == 1 or _CAPITAL.search(first):
        return False
    return len(second) > (_LONGEST_ARABIC_ENDING if target.script == "Arab" else _LONGEST_ENDING)


def _chinese(text: str, others: Sequence[Language], script: str) -> Iterator[Span]:
    """Chinese spans in Japanese text (runs without kana, with characters that Japanese lacks) or in Korean text (with
    simplified characters, or longer than names and glosses)."""
    language = next((other.code for other in others if other.script in ("Hans", "Hant")), "")
    for run in _HAN_RUN.finditer(text):
        if script == "Jpan":
            is_chinese = sum(map(is_unknown_to_japanese, run[0])) >= _CHINESE
        else:
            size = len(_HAN.findall(run[0]))
            simplified = any(han_variant(letter) == "Hans" for letter in run[0])
            is_chinese = size >= (_CHINESE if simplified else _LONGEST_HANJA + 1)
        if is_chinese:
            inner = run[0].strip()
            start = run.start() + run[0].index(inner)
            yield Span(start, start + len(inner), language)
