"""Loops with small changes: ``The park has 1 tree. The park has 2 trees. The park has 3 trees. ...``

There are two checks:

- Sentences, and long clauses between commas, are compared with those one to four places before. A loop is three in a
  row that have :data:`_ALIKE` percent of their characters in common, or four of at least four words that each differ
  from the one before in one word. Case, list numbers and parts without letters are ignored.
- In text without punctuation, triples of neighboring words (characters in scripts without spaces) that occur three
  times or more mark the words that they cover. A loop is a stretch where marked words outnumber the others by
  :data:`_SHORTEST` and most triples are repeated. Names that recur in an article are marked too, but far apart.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import regex
from rapidfuzz import fuzz

from xlgen.metrics.normalization import fold_case
from xlgen.metrics.unspaced import UNSPACED

_ALIKE = 75.0
_LAGS = range(1, 5)
_PERIODS = 3
_PERIODS_OF_ONE_WORD, _SAME_WORDS = 4, 3
# Letters of the shortest sentence and of the shortest clause: Monday morning, Tuesday morning, Wednesday morning.
# A character of a script without spaces counts as three.
_SHORTEST_SENTENCE, _SHORTEST_CLAUSE = 5, 15
_TRIPLE, _TIMES = 3, 3
_SHORTEST = 10
"""Minimum excess of marked words over the others."""
_SHORTEST_REPEATED = 5
"""Minimum number of units minus distinct units in a text with a loop."""
_SHORTEST_CHARACTERS = 24
"""Minimum excess of marked characters in scripts without spaces, where two to three characters make a word."""
_NEW = 0.5
"""Maximum share of distinct triples in a loop."""
_LETTER = regex.compile(r"\p{L}")
_UNSPACED_LETTER = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]", regex.V1)
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# Loops within one word, ignoring punctuation: hahahahahahahahahahaha, no-no-no-..., ZeitZeitZeitZeitZeit. Minimum
# number of characters of such a word, and of characters minus distinct characters.
_LONG_WORD, _REPEATED_IN_WORD = 10, 8
_JOINED = regex.compile(r"[\p{P}\p{S}\p{Cf}]+")
_WITHIN_WORD = regex.compile(r"([\p{L}\p{M}\p{N}]{1,30}?)\1{4,}")
_FEW_LETTERS, _MANY_LETTERS = 2, 3
"""Minimum letters of a syllable, ten of which are a loop, and of a word, five of which are a loop."""
_SYLLABLES, _WORDS, _LETTERS = 10, 5, 20
# Characters that are syllables count as two letters.
_SYLLABLE = regex.compile(
    r"[\p{Hangul}\p{Ethiopic}\p{Cherokee}\p{Yi}\p{Canadian_Aboriginal}\p{Vai}&&[\p{Lo}]--[ㄱ-ㆎ]]", regex.V1
)
# Repetitions without a letter (!!!!!!!!, 1,1,1,1, ......), longer than a line of dashes; and ten invalid UTF-8 bytes.
_STUTTER = regex.compile(r"(\P{L}{1,10}?)\1{19,}|\ufffd{10}")
_SENTENCE_END = regex.compile(r"[\p{Sentence_Terminal}…\n]+[\p{P}\s]*|(?<=[\p{Thai}\p{Lao}])\s+")
_CLAUSE_END = regex.compile(r"[\p{Terminal_Punctuation}…\n]+[\p{P}\s]*|(?<=[\p{Thai}\p{Lao}])\s+")


def has_near_loop(text: str, units: Sequence[str]) -> bool:
    """Whether a phrase occurs three times or more in a row with small changes; ``units`` are the units of ``text``."""
    # Without enough repeated units, as in most sentences, there is no loop.
    if len(units) - len(set(units)) < _SHORTEST_REPEATED:
        return False
    text = fold_case(text)
    sentences, clauses = (list(filter(_LETTER.search, end.split(text))) for end in (_SENTENCE_END, _CLAUSE_END))
    return (
        _alike_in_a_row(sentences, _SHORTEST_SENTENCE)
        or _alike_in_a_row(clauses, _SHORTEST_CLAUSE)
        or _one_word_apart(sentences)
        or _one_word_apart(clauses)
        or _same_triples(units)
    )


def stutters(unit: str) -> bool:
    """Whether a word, or another unit without spaces, consists of a phrase repeated many times."""
    if len(unit) < _LONG_WORD or len(unit) - len(set(unit)) < _REPEATED_IN_WORD:
        return False
    return _STUTTER.search(unit) is not None or any(
        _is_stutter(each[1], len(each[0]) // len(each[1]))
        for each in _WITHIN_WORD.finditer(_JOINED.sub("", fold_case(unit)))
    )


def _is_stutter(phrase: str, times: int) -> bool:
    """Whether a phrase is repeated more often than people write: haha, Noooooo, ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ."""
    letters = len(phrase) + len(_SYLLABLE.findall(phrase))
    if phrase.isdecimal() or letters < _FEW_LETTERS:
        return times >= _LETTERS
    return times >= (_SYLLABLES if letters < _MANY_LETTERS else _WORDS)


def _alike_in_a_row(parts: Sequence[str], shortest: int) -> bool:
    """Whether a part, or a sequence of up to four parts, occurs three times in a row with small changes."""
    for lag in _LAGS:
        run = 0
        for before, part in zip(parts, parts[lag:], strict=False):
            alike = fuzz.ratio(before, part, score_cutoff=_ALIKE) and _letters(part) >= shortest
            run = run + 1 if alike else 0
            if run == lag * (_PERIODS - 1):
                return True
    return False


def _one_word_apart(parts: Sequence[str]) -> bool:
    """Whether four parts in a row, of four words or more, each differ from the one before in at most one word."""
    run = 1
    words = [_WORD.findall(part) for part in parts]
    for before, part in pairwise(words):
        same = sum(map(operator.eq, before, part)) if len(before) == len(part) else 0
        run = run + 1 if same >= max(_SAME_WORDS, len(part) - 1) else 1
        if run == _PERIODS_OF_ONE_WORD:
            return True
    return False


def _letters(part: str) -> int:
    return len(_LETTER.findall(part)) + 2 * len(_UNSPACED_LETTER.findall(part))


def _same_triples(units: Sequence[str]) -> bool:
    triples = list(zip(units, units[1:], units[2:], strict=False))
    counts = Counter(triples)
    if max(counts.values()) < _TIMES:
        return False
    marked = [False] * len(units)
    for place, triple in enumerate(triples):
        if counts[triple] >= _TIMES:
            marked[place : place + _TRIPLE] = (True,) * _TRIPLE
    start, end, excess = _densest(marked)
    inside = triples[start : max(start + 1, end - _TRIPLE + 1)]
    shortest = _SHORTEST_CHARACTERS if _by_character(units[start:end]) else _SHORTEST
    if excess < shortest or len(set(inside)) > _NEW * len(inside):
        return False
    return any(map(_LETTER.search, units[start:end]))


def _densest(marked: Sequence[bool]) -> tuple[int, int, int]:
    """Start and end of the stretch in which marked units outnumber the others most, and their excess."""
    best = (0, 0, 0)
    start = total = 0
    for place, is_marked in enumerate(marked):
        if total <= 0:
            start, total = place, 0
        total += 1 if is_marked else -1
        if total > best[2]:
            best = (start, place + 1, total)
    return best


def _by_character(units: Sequence[str]) -> bool:
    return sum(map(len, units)) < 2 * len(units)
