"""Code-switching, word by word: the spans of a text that are in another language than the target.

- Another script: two words or four characters in a row of a script that the target is not written in, amid its own.
  Words with a capital letter are passed over as names.
- The same script: each word says by its probabilities how much it sounds like another candidate rather than the
  target, and a span is where the sum of that, as logarithms, is highest by more than :data:`PRICE`. That is the most
  probable path through two states when going to another language and back costs so much. Names, which have a capital
  letter within a sentence, and numbers say nothing. What the model makes of a number, of which it knows nothing, is
  taken off: it would favour the languages that it has seen most of.
- One word is a span by itself only where it is a function word that the target does not have (``The rompió una mesa``):
  nobody borrows those. They are known of English, the usual source.

The price was set by hand, on NTREX-128's sentences with words of other sentences put into them and on whole paragraphs
of XQuAD; figures are in docs/language-identification.md.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import groupby
from typing import TypeAlias

import regex

from xlgen.languages import Language
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load
from xlgen.metrics.scripts import UNSPACED, letters_of

# Words of another script in a row that make a switch; a character of a script without spaces is half a word.
_FOREIGN_WORDS = 2
PRICE = 9.0
"""The least sum of log ratios that makes a span of another language in the same script."""
# One word alone says at most so much, for or against.
_LOUDEST = 4.0
_LEAST = 1e-4
_NOTHING = "0"
# Those that no other language in Latin script has: not "was", "is", "are", "of", "have".
_FUNCTION_WORDS = {"en": frozenset(["the", "and", "with", "from", "were", "this", "that", "which"])}
# From this log ratio on, identification agrees that a function word is not the target's.
_CLEAR = 2.0
_LONGEST = 4_000

_SCRIPT_WORD = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]\p{{M}}*+|[\p{{L}}--[{UNSPACED}]][\p{{L}}\p{{M}}'’]*+", regex.V1)
_CHARACTER = regex.compile(rf"[{UNSPACED}]", regex.V1)
_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{N}\p{M}'’\-]*+")
_OPENS = regex.compile(r"(?:^|[\p{Sentence_Terminal}…:\n])[^\p{L}\p{N}]*$")


@dataclass(frozen=True, order=True)
class Span:
    """A part of a text, ``text[start:end]``."""

    start: int
    end: int
    language: str
    """The code of the language it is in, of those asked for; ``""`` for a script that none of them is written in."""


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
    found = by_script(text, language, known)
    rivals = [other for other in known if other.script == language.script]
    if rivals and language.spaced:
        identifies = load(identifier) if isinstance(identifier, str) else identifier
        found += [span for rival in rivals for span in by_words(text, language, rival, identifies)]
    return _apart(sorted(found))


def by_script(text: str, target: Language, others: Sequence[Language] = ()) -> list[Span]:
    """The spans in another script, in a text that has letters of the target's own."""
    own, foreign = _script(target.script)
    if not foreign.search(text) or not own.search(text):
        return []
    words = list(_SCRIPT_WORD.finditer(text))
    found = []
    for is_foreign, group in groupby(words, key=lambda word: foreign.match(word[0]) is not None):
        run = list(group)
        if is_foreign:
            found += list(_runs(text, run, others))
    return found


def _runs(text: str, words: Sequence[regex.Match[str]], others: Sequence[Language]) -> Iterator[Span]:
    """A span over foreign words in a row, if enough of them are no names."""
    weight = sum(0.0 if word[0][0].isupper() else 0.5 if _CHARACTER.match(word[0]) else 1.0 for word in words)
    if weight >= _FOREIGN_WORDS:
        start, end = words[0].start(), words[-1].end()
        written = (other.code for other in others if _script(other.script)[0].match(words[0][0]))
        yield Span(start, end, next(written, ""))


def by_words(text: str, target: Language, rival: Language, identifier: LanguageIdentifier) -> list[Span]:
    """The spans in ``rival``, which is written as ``target`` is."""
    ours, theirs = identifier.code(target), identifier.code(rival)
    if not ours or not theirs or ours == theirs:
        return []
    words = list(_WORD.finditer(text))[:_LONGEST]
    scores = [_score(words, place, text, (ours, theirs, identifier)) for place in range(len(words))]
    path = _states(scores)
    spans = []
    for away, group in groupby(range(len(words)), key=path.__getitem__):
        members = list(group)
        # A path is away from its first word to its last that says so; what is silent stays at home.
        while away and scores[members[-1]] <= 0:
            members.pop()
        if away and not _all(members, words):
            spans.append(Span(words[members[0]].start(), words[members[-1]].end(), rival.code))
    return spans


def _all(members: Sequence[int], words: Sequence[object]) -> bool:
    """Whether a span is the whole text: then it has not switched, and is in the wrong language altogether."""
    return len(members) == len(words)


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
    if any(map(str.isdigit, word[0])):
        return 0.0
    if word[0][0].isupper() and not _OPENS.search(text[max(0, word.start() - 8) : word.start()]):
        return 0.0
    found = _ratio(word[0].lower(), *pair)
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


@cache
def _script(script: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """One letter of the script, and one letter of any other."""
    own = letters_of(script)
    foreign = rf"[\p{{L}}--[{own}\p{{scx=Zyyy}}\p{{scx=Zinh}}]]"
    return regex.compile(rf"[\p{{L}}&&[{own}]]", regex.V1), regex.compile(foreign, regex.V1)


def _apart(spans: Sequence[Span]) -> list[Span]:
    """The spans that do not overlap an earlier one."""
    found: list[Span] = []
    for span in spans:
        if not found or span.start >= found[-1].end:
            found.append(span)
    return found
