"""Which language is a short text in? Among candidates only, by script first, and "cannot tell" is an answer.

A top label among 176 means little for ``Denver Broncos`` or ``1990``. The rule asks less: is the text in the target
language, or in one of a few others, such as the source language that a careless model falls back to?

1. Without letters nobody can tell.
2. Script. Where the target's script writes none of the letters, or less than half of them while another candidate's
   writes all, the text is not in the target language; less than half otherwise, nobody can tell. Candidates whose
   script writes a smaller share of the letters than the target's are out; where none is left, it is the target.
3. A text of which identification is sure (0.5 or more) that it is in none of the candidates is not in the target.
4. Otherwise the identifier's probabilities are renormalised over the candidates that are left. From ``right_from`` the
   text is in the target language; below ``wrong_below`` it is not (below ``wrong_below_on_top`` where the target is
   the identifier's own top label); and between them nobody can tell.

The thresholds come from first words of NTREX-128's news, not from answers: ``benchmarks/language_identification.py
calibrate`` shows how. Figures are in docs/language-identification.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import regex

from xlgen.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.lid import LanguageIdentifier
from xlgen.metrics.scripts import UNSPACED, letters_of

RIGHT, WRONG, CANNOT_TELL = 1.0, 0.0, math.nan
"""Verdicts: whether a text is in the target language."""

LONGEST = 10
"""Words of the longest text that is short; a letter of a script without spaces is half a word."""

_SURE = 0.5
# What is added to probabilities, some of which models leave out as too small.
_LEAST = 1e-6
_SPACED = rf"[[\p{{L}}\p{{N}}]--[{UNSPACED}]]"
_WORD = regex.compile(rf"(?P<letter>[\p{{L}}&&[{UNSPACED}]]\p{{M}}*+)|{_SPACED}(?:{_SPACED}|[\p{{M}}'’\-])*+", regex.V1)
_LETTER = regex.compile(r"[\p{L}--[\p{scx=Zyyy}\p{scx=Zinh}]]", regex.V1)


@dataclass(frozen=True)
class ShortText:
    """The rule's options."""

    others: tuple[str, ...] = ("en",)
    """Languages that the text may be in instead of the target: as a rule the source language."""
    wrong_below: float = 0.7
    """Below this share of the candidates' probability the target is not it."""
    wrong_below_on_top: float = 0.5
    """The same where the target is the top label among all of the identifier's."""
    right_from: float = 0.95
    """From this share on it is."""
    extractive: bool = False
    """Whether outputs are spans of their inputs, as answers are in SQuAD: one that is none then needs the top label."""

    def verdict(self, text: str, target: Language, identifier: LanguageIdentifier) -> float:
        """Whether ``text`` is in ``target``: :data:`RIGHT`, :data:`WRONG` or :data:`CANNOT_TELL`."""
        letters = _LETTER.findall(text)
        if not letters:
            return CANNOT_TELL
        others = [other for other in map(Language.parse, self.others) if other != target]
        ours, *theirs = (_written(letters, language.script) for language in (target, *others))
        if ours == 0 or (ours < 0.5 and 1 in theirs):
            return WRONG
        if ours < 0.5:
            return CANNOT_TELL
        rivals = [other for other, share in zip(others, theirs, strict=True) if share >= ours]
        return self._by_identifier(text, target, rivals, identifier)

    def _by_identifier(
        self, text: str, target: Language, rivals: Sequence[Language], identifier: LanguageIdentifier
    ) -> float:
        ours = identifier.code(target)
        theirs = sorted({identifier.code(rival) for rival in rivals} - {ours, ""})
        if not ours or not theirs:
            return RIGHT if not rivals else CANNOT_TELL
        [(top, probability)] = identifier.identify([text])
        if not top:
            return CANNOT_TELL
        if top not in (ours, *theirs) and probability >= _SURE:
            return WRONG
        share = target_share(text, ours, theirs, identifier)
        wrong_below = self.wrong_below_on_top if top == ours else self.wrong_below
        return RIGHT if share >= self.right_from else WRONG if share < wrong_below else CANNOT_TELL

    @property
    def name(self) -> str:
        """For signatures."""
        words = f"{LONGEST}-words,others={'+'.join(self.others)}"
        kind = ",extractive" if self.extractive else ""
        wrong = f"wrong<{self.wrong_below:g},on-top<{self.wrong_below_on_top:g}"
        return f"short:{words}{kind},{wrong},right>={self.right_from:g},sure={_SURE:g}"


def target_share(text: str, target: str, others: Sequence[str], identifier: LanguageIdentifier) -> float:
    """The probability of ``target`` among the candidates, all of them codes of ``identifier``."""
    codes = [target, *others]
    found = [chance + _LEAST for chance in identifier.confidence([text] * len(codes), codes)]
    return found[0] / sum(found)


def is_short(text: str) -> bool:
    """Whether ``text`` has ten words or fewer, a letter of a script without spaces counted as half a word."""
    size = 0.0
    for found in _WORD.finditer(text):
        size += 0.5 if found["letter"] else 1.0
        if size > LONGEST:
            return False
    return True


def verdicts(examples: Sequence[Example], identifier: LanguageIdentifier, rule: ShortText) -> list[float]:
    """Whether each prediction, none of them blank, is in its language: short ones by the rule, others by the top label.

    A short text that stands word for word in an input in the target language is quoted from it, and right: names and
    numbers are in every language. A language without a label in the identifier cannot be told.
    """
    targets = [Language.parse(example.language) for example in examples]
    tops = identifier.identify([example.prediction for example in examples])
    found = []
    for example, target, (top, _) in zip(examples, targets, tops, strict=True):
        code = identifier.code(target)
        if not is_short(example.prediction):
            found.append(float(top == code) if code else CANNOT_TELL)
        elif _quoted(example, code, identifier):
            found.append(RIGHT)
        elif rule.extractive and example.input is not None and code and top != code:
            found.append(WRONG if _LETTER.search(example.prediction) else CANNOT_TELL)
        else:
            found.append(rule.verdict(example.prediction, target, identifier) if code else CANNOT_TELL)
    return found


def _quoted(example: Example, code: str, identifier: LanguageIdentifier) -> bool:
    """Whether the prediction is within a longer input in the target language, as whole words where there are spaces."""
    text = example.prediction.strip()
    if example.input is None or is_short(example.input) or not _LETTER.search(text):
        return False
    [(top, _)] = identifier.identify([example.input])
    return top == code and stands_in(text, example.input)


def stands_in(text: str, whole: str) -> bool:
    """Whether ``whole`` holds ``text``, in any case, and not within a word where spaces separate words."""
    if text.casefold() not in whole.casefold():
        return False
    pattern = rf"(?<!{_SPACED}(?={_SPACED})){regex.escape(text)}(?!(?<={_SPACED}){_SPACED})"
    return regex.search(pattern, whole, regex.V1 | regex.IGNORECASE) is not None


def _written(letters: Sequence[str], script: str) -> float:
    """The share of letters that a script writes."""
    own = _own(script)
    return sum(map(own.__contains__, letters)) / len(letters)


class _Own(dict[str, bool]):
    def __init__(self, script: str) -> None:
        self._pattern = regex.compile(rf"[{letters_of(script)}]", regex.V1)

    def __missing__(self, letter: str) -> bool:
        return self.setdefault(letter, self._pattern.match(letter) is not None)

    def __contains__(self, letter: object) -> bool:
        return self[str(letter)]


RULE = ShortText()
"""The rule with its defaults."""


@cache
def _own(script: str) -> _Own:
    return _Own(script)
