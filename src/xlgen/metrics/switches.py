"""Code-switching, word by word: the spans of a text that are in another language than the target.

- Another script: see :mod:`xlgen.metrics.script_spans`.
- The same script: each word says by its probabilities how much it sounds like another candidate rather than the
  target, and a span is where the sum of that, as logarithms, is highest by more than :data:`PRICE`. That is the most
  probable path through two states when going to another language and back costs so much. Names, which have a capital
  letter within a sentence, and numbers say nothing. What the model makes of a number, of which it knows nothing, is
  taken off: it would favour the languages that it has seen most of. A span counts only if it is identified as the
  other language by itself, with :data:`SURE`: words that the model does not know sound like English to it.
- One word is a span by itself only where it is a function word that the target does not have (``The rompió una mesa``):
  nobody borrows those. They are known of English, the usual source.

Addresses, handles, hashtags, codes and units are no words of a language (:mod:`xlgen.metrics.masking`). A text that is
in the other language as a whole has not switched.

The price was set by hand, on NTREX-128's sentences with words of other sentences put into them and on whole paragraphs
of XQuAD; figures are in docs/language-identification.md.
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
"""The least sum of log ratios that makes a span of another language in the same script."""
SURE = 0.5
"""The least probability that identification gives the other language for such a span by itself."""
# The same for a span without a function word of English, by target.
_SURE_WITHOUT = {"ro": 0.8}
# One word alone says at most so much, for or against.
_LOUDEST = 4.0
_LEAST = 1e-4
_NOTHING = "0"
_FUNCTION_WORDS = {"en": ONLY_ENGLISH}
# Common words that a language spells as English does: "for at have" is Danish, and English to identification.
_SHARED_WORDS = {
    language: frozenset(words.split())
    for language, words in {
        "da": "at for give have her land man men most over program standard time to under",
        "no": "at for her land man men over program standard time to under",
        "nn": "at for her land man men over program standard time to under",
    }.items()
}
# From this log ratio on, identification agrees that a function word is not the target's.
_CLEAR = 2.0
_LONGEST = 4_000

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}'’\-]*+")
_OPENS = regex.compile(r"(?:^|[\p{Sentence_Terminal}…:\n])[^\p{L}\p{N}]*$")


def switches(
    text: str, target: str, others: Sequence[str] = ("en",), identifier: str | LanguageIdentifier = SMALL
) -> list[Span]:
    """The spans of ``text`` that are in another language than ``target``, in their order; none if all of it may be.

    Args:
        text: Of which no more than 4,000 words are looked at for another language in the same script.
        target: In any spelling that ``Language.parse`` knows.
        others: The languages that the text may switch to in the target's own script.
        identifier: For those; scripts need none.
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
    """The spans in ``rival``, which is written as ``target`` is."""
    ours, theirs = identifier.code(target), identifier.code(rival)
    if not ours or not theirs or ours == theirs:
        return []
    words = list(_WORD.finditer(text))[:_LONGEST]
    scores = [_score(words, place, text, (ours, theirs, identifier)) for place in range(len(words))]
    path = _states(scores)
    spans, is_home = [], False
    for away, group in groupby(range(len(words)), key=path.__getitem__):
        members = list(group)
        # A path is away from its first word to its last that says so; what is silent stays at home.
        while away and scores[members[-1]] <= 0:
            members.pop()
        is_home = is_home or (not away and any(scores[member] < 0 for member in members))
        part = _part(text, words, members).lower().replace(FILLER, "")
        if away and identifier.confidence([part], [theirs])[0] >= sure_of(part, target):
            spans.append(Span(words[members[0]].start(), words[members[-1]].end(), rival.code))
    # Where no word speaks for the target, all of the text is in the other language, and it has not switched.
    return spans if is_home else []


def sure_of(span: str, target: Language) -> float:
    """The probability that identification must give the other language for a span by itself.

    Few spans of English of several words have no function word. In Romanian, which shares many words with English
    (``noul acord ar include``), what has none needs more.
    """
    return _SURE_WITHOUT.get(target.code, SURE) if not FUNCTION_WORD.search(span) else SURE


def _part(text: str, words: Sequence[regex.Match[str]], members: Sequence[int]) -> str:
    return text[words[members[0]].start() : words[members[-1]].end()]


def _states(scores: Sequence[float]) -> list[bool]:
    """The best path, at home or away, where being away scores and going away costs the price (Viterbi's algorithm)."""
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
    """How much more a word sounds like the rival, as a log ratio."""
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
"""The codes of the target and the rival, and whose they are."""


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
