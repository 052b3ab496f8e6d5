"""Loops with small changes: ``The park has 1 tree. The park has 2 trees. The park has 3 trees. ...``

Two ways find them. Sentences, and long clauses between commas, are compared with those one to four places before: a
loop is three in a row that have :data:`_ALIKE` percent of their characters in common, or four that differ from the one
before in one word of four or more. Case, numbers of a list and parts without letters do not matter. For text without
marks, triples of neighbouring words (characters, where no spaces separate words) that come three times or more mark the
words that they cover: a loop is where marked words outnumber the others by :data:`_SHORTEST` and most triples are not
new. Names that come again in an article are marked too, but far apart.
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
# Letters of the shortest sentence, and of the shortest clause: Monday morning, Tuesday morning, Wednesday morning.
# A character of a script without spaces counts as three.
_SHORTEST_SENTENCE, _SHORTEST_CLAUSE = 5, 15
_TRIPLE, _TIMES = 3, 3
_SHORTEST = 10
"""Words by which marked ones outnumber the others."""
_SHORTEST_REPEATED = 5
"""Units that a text with a loop has more than different ones, at least."""
_SHORTEST_CHARACTERS = 24
"""The same for characters of scripts without spaces, two to three of which make a word."""
_NEW = 0.5
"""The largest share of different triples in a loop."""
_LETTER = regex.compile(r"\p{L}")
_UNSPACED_LETTER = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]", regex.V1)
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
# Within one word, marks aside: hahahahahahahahahahaha, no-no-no-..., ZeitZeitZeitZeitZeit. Such a word has so many
# characters, and so many more than different ones.
_LONG_WORD, _REPEATED_IN_WORD = 10, 8
_JOINED = regex.compile(r"[\p{P}\p{S}\p{Cf}]+")
_WITHIN_WORD = regex.compile(r"([\p{L}\p{M}\p{N}]{1,30}?)\1{4,}")
_FEW_LETTERS, _MANY_LETTERS = 2, 3
"""Letters of a syllable, ten of which are a loop, and of a word, five of which are one."""
_SYLLABLES, _WORDS, _LETTERS = 10, 5, 20
# Characters that are syllables count as two letters.
_SYLLABLE = regex.compile(
    r"[\p{Hangul}\p{Ethiopic}\p{Cherokee}\p{Yi}\p{Canadian_Aboriginal}\p{Vai}&&[\p{Lo}]--[ㄱ-ㆎ]]", regex.V1
)
# Without a letter (!!!!!!!!, 1,1,1,1, ......): a line of dashes is shorter. Bytes that were not UTF-8 come in tens.
_STUTTER = regex.compile(r"(\P{L}{1,10}?)\1{19,}|\ufffd{10}")
_SENTENCE_END = regex.compile(r"[\p{Sentence_Terminal}…\n]+[\p{P}\s]*|(?<=[\p{Thai}\p{Lao}])\s+")
_CLAUSE_END = regex.compile(r"[\p{Terminal_Punctuation}…\n]+[\p{P}\s]*|(?<=[\p{Thai}\p{Lao}])\s+")


def has_near_loop(text: str, units: Sequence[str]) -> bool:
    """Whether a phrase comes three times or more in a row with small changes; ``units`` are those of ``text``."""
    # Nothing to find where nearly all units differ, as in most sentences.
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
    """Whether a word, or what else stands without a space, holds a phrase again and again."""
    if len(unit) < _LONG_WORD or len(unit) - len(set(unit)) < _REPEATED_IN_WORD:
        return False
    return _STUTTER.search(unit) is not None or any(
        _is_stutter(each[1], len(each[0]) // len(each[1]))
        for each in _WITHIN_WORD.finditer(_JOINED.sub("", fold_case(unit)))
    )


def _is_stutter(phrase: str, times: int) -> bool:
    """Whether so many times a phrase is more than people write: haha, Noooooo, ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ."""
    letters = len(phrase) + len(_SYLLABLE.findall(phrase))
    if phrase.isdecimal() or letters < _FEW_LETTERS:
        return times >= _LETTERS
    return times >= (_SYLLABLES if letters < _MANY_LETTERS else _WORDS)


def _alike_in_a_row(parts: Sequence[str], shortest: int) -> bool:
    """Whether a part, or several in turn, come three times in a row with small changes."""
    for lag in _LAGS:
        run = 0
        for before, part in zip(parts, parts[lag:], strict=False):
            alike = fuzz.ratio(before, part, score_cutoff=_ALIKE) and _letters(part) >= shortest
            run = run + 1 if alike else 0
            if run == lag * (_PERIODS - 1):
                return True
    return False


def _one_word_apart(parts: Sequence[str]) -> bool:
    """Whether four parts in a row, of four words or more, differ from the one before in a single word."""
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
    """The stretch in which marked units outnumber the others by most: its start, its end and by how many."""
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
