"""Code-switching, word by word: spans of a text that are in a language other than the target.

- Another script: see :mod:`xlgen.metrics.script_spans`.
- The same script: each word has a log ratio of the probabilities of another candidate and of the target. A span is
  where the sum of these ratios exceeds :data:`PRICE`: the most probable path through two states, where switching costs
  that much. Names, which have a capital letter within a sentence, and numbers score 0. The log ratio of a number is
  subtracted from each word's, because the model prefers the languages that it has seen most. A span counts only if it
  is identified as the other language by itself with :data:`SURE`, because the model labels unknown words as English.
- A single word is a span only if it is a function word that the target lacks (``The rompió una mesa``), since function
  words are not borrowed. These are listed for English, the usual source language.

Addresses, handles, hashtags, codes and units are not words of a language (:mod:`xlgen.metrics.masking`). A text that is
in the other language as a whole is not code-switched.

The price was set by hand, on NTREX-128's sentences with words of other sentences inserted, and on whole paragraphs of
XQuAD; rates are in docs/explanation/language-identification.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import groupby
from typing import TypeAlias

import regex

from xlgen.core.languages import Language
from xlgen.metrics.function_words import FUNCTION_WORD, ONLY_ENGLISH
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load_identifier
from xlgen.metrics.masking import FILLER, mask
from xlgen.metrics.script_spans import Span, by_script

PRICE = 9.0
"""Minimum sum of log ratios of a span of another language in the same script."""
SURE = 0.5
"""Minimum probability of the other language for such a span by itself."""
# Minimum probability for a span without an English function word, by target.
_SURE_WITHOUT = {"ro": 0.8}
# Maximum absolute log ratio of one word.
_LOUDEST = 4.0
_LEAST = 1e-4
_NOTHING = "0"
_FUNCTION_WORDS = {"en": ONLY_ENGLISH}
# Common words spelled as in English: "for at have" is Danish, but identified as English.
_SHARED_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "da": "at for give have her land man men most over program standard time to under",
        "no": "at for her land man men over program standard time to under",
        "nn": "at for her land man men over program standard time to under",
    }.items()
}
# Minimum log ratio for a function word to count as not the target's.
_CLEAR = 2.0
_LONGEST = 4_000

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}'’\-]*+")
_OPENS = regex.compile(r"(?:^|[\p{Sentence_Terminal}…:\n])[^\p{L}\p{N}]*$")


def switches(
    text: str, target: str, others: Sequence[str] = ("en",), identifier: str | LanguageIdentifier = SMALL
) -> list[Span]:
    """The spans of ``text`` in a language other than ``target``, in their order; empty if all of it may be another.

    Args:
        text: The text. At most its first 4,000 words are checked for another language in the same script.
        target: In any spelling that ``Language.parse`` knows.
        others: The languages that the text may switch to in the target's script.
        identifier: The identifier for languages in the same script.
    """
    language = Language.parse(target)
    known = tuple(other for other in map(Language.parse, others) if other != language)
    text = mask(text)
    found = by_script(text, language, known)
    rivals = [other for other in known if other.script == language.script]
    if rivals and language.spaced:
        identifies = load_identifier(identifier) if isinstance(identifier, str) else identifier
        found += [span for rival in rivals for span in by_words(text, language, rival, identifies)]
    return _apart(sorted(found))


def by_words(text: str, target: Language, rival: Language, identifier: LanguageIdentifier) -> list[Span]:
    """The spans in ``rival``, which has the script of ``target``."""
    ours, theirs = identifier.code(target), identifier.code(rival)
    if not ours or not theirs or ours == theirs:
        return []
    words = list(_WORD.finditer(text))[:_LONGEST]
    scores = [_score(words, place, text, (ours, theirs, identifier)) for place in range(len(words))]
    path = _states(scores)
    spans, is_home = [], False
    for away, group in groupby(range(len(words)), key=path.__getitem__):
        members = list(group)
        # A span ends at its last word with a positive score; neutral words after it belong to the target.
        while away and scores[members[-1]] <= 0:
            members.pop()
        is_home = is_home or (not away and any(scores[member] < 0 for member in members))
        part = _part(text, words, members).lower().replace(FILLER, "")
        if away and identifier.confidence([part], [theirs])[0] >= sure_of(part, target):
            spans.append(Span(words[members[0]].start(), words[members[-1]].end(), rival.code))
    # Without a word for the target, all of the text is in the other language: it is not code-switched.
    return spans if is_home else []


def sure_of(span: str, target: Language) -> float:
    """Minimum probability of the other language for a span by itself.

    Few English spans of several words have no function word. In Romanian, which shares many words with English (``noul
    acord ar include``), a span without one needs a higher probability.
    """
    return _SURE_WITHOUT.get(target.code, SURE) if not FUNCTION_WORD.search(span) else SURE


def _part(text: str, words: Sequence[regex.Match[str]], members: Sequence[int]) -> str:
    return text[words[members[0]].start() : words[members[-1]].end()]


def _states(scores: Sequence[float]) -> list[bool]:
    """Whether each word is in the other language on the best path; a switch costs the price (Viterbi's algorithm)."""
    home, away = 0.0, -math.inf
    came: list[tuple[bool, bool]] = []  # whether the best way to home, and to away, comes from away
    for score in scores:
        came.append((away > home, away >= home - PRICE))
        home, away = max(home, away), max(away, home - PRICE) + score
    state, path = away > home, []
    for from_home, from_away in reversed(came):
        path.append(state)
        state = from_away if state else from_home
    return path[::-1]


def _score(words: Sequence[regex.Match[str]], place: int, text: str, pair: _Pair) -> float:
    """The log ratio of the rival's and the target's probability for a word, with rules for names and function words."""
    word = words[place]
    if any(map(str.isdigit, word[0])) or word[0].lower() in _SHARED_WORDS.get(pair[0], ()):
        return 0.0
    if word[0][0].isupper() and not _OPENS.search(text[max(0, word.start() - 8) : word.start()]):
        return 0.0
    found = _ratio(word[0].lower().replace(FILLER, ""), *pair)
    after = words[place + 1][0] if place + 1 < len(words) else ""
    # "the" before a capital letter may be part of a title.
    if found >= _CLEAR and word[0].lower() in _FUNCTION_WORDS.get(pair[1], ()) and not after[:1].isupper():
        return PRICE + _LOUDEST
    return found


_Pair: TypeAlias = tuple[str, str, LanguageIdentifier]
"""The codes of the target and the rival, and the identifier that they belong to."""


@lru_cache(maxsize=100_000)
def _ratio(word: str, ours: str, theirs: str, identifier: LanguageIdentifier) -> float:
    ratio = _log_ratio(word, ours, theirs, identifier) - _log_ratio(_NOTHING, ours, theirs, identifier)
    return max(-_LOUDEST, min(_LOUDEST, ratio))


def _log_ratio(word: str, ours: str, theirs: str, identifier: LanguageIdentifier) -> float:
    rival, target = identifier.confidence([word, word], [theirs, ours])
    return math.log((rival + _LEAST) / (target + _LEAST))


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The spans that do not overlap an earlier one."""
    found: list[Span] = []
    for span in spans:
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found
