"""The language of a short text, decided among a few candidates, by script first. "Cannot tell" is a verdict too.

A top label among 176 means little for ``Denver Broncos`` or ``1990``. The rule decides only whether the text is in the
target language or in one of a few others, such as the source language that a model may fall back to.

1. Text without letters is "cannot tell", and so are acronyms (``NATO``), which all languages write.
2. Script. The text is "wrong" if none of its letters are in the target's script, or less than half are and all are in
   another candidate's script. If less than half are otherwise, or if it has kana for Chinese, the text is "wrong" if
   identification finds another language with 0.5, else "cannot tell". Candidates with a smaller share of the letters in
   their script than the target are excluded. If none is left, the text is "right".
3. The text is "wrong" if identification is sure that it is in none of the candidates: with 0.5 or more, or 0.8 for up
   to four words and for a language of the target's branch. The target's near languages count as the target
   (:mod:`xlgen.metrics.near_languages`).
4. Otherwise, the identifier's probabilities are renormalized over the remaining candidates. The text is "right" from
   ``right_from`` on, and with five words or more also if the target is the top label with 0.5. It is "wrong" below
   ``wrong_below`` (below ``wrong_below_on_top`` if the target is the identifier's top label), but only if the other
   candidates have ``least``, or 0.5 with five words or more. Else it is "cannot tell". So is text for which
   identification answers as for text without information, in lower case too.

The thresholds were chosen on the first words of NTREX-128's news, not on answers, by
``benchmarks/language_identification.py calibrate``. Rates are in docs/explanation/language-identification.md. Longer
text is decided by :mod:`xlgen.metrics.evidence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import regex

from xlgen.core.languages import Language, all_languages
from xlgen.metrics.acronyms import is_acronym
from xlgen.metrics.base import Example
from xlgen.metrics.evidence import (
    CANNOT_TELL,
    ENOUGH,
    ENOUGH_OF_BRANCH,
    LEAST_OWN,
    NAME,
    RIGHT,
    WRONG,
    by_evidence,
    enough,
    is_shouted,
    knows,
    prepared,
    tells_apart,
    weigh,
    writes,
)
from xlgen.metrics.lid import LanguageIdentifier
from xlgen.metrics.near_languages import near
from xlgen.metrics.normalization import canonical, fold_case, match_key, readable
from xlgen.metrics.scripts import LETTER, share_written, without_names
from xlgen.metrics.unspaced import UNSPACED

__all__ = ["CANNOT_TELL", "RIGHT", "RULE", "WRONG", "ShortText", "is_quoted", "is_short", "stands_in", "verdicts"]

LONGEST = 10
"""Maximum number of words of a short text; a letter of a script without spaces is half a word."""

# Up to this many words need less evidence against the target.
_FEW = 4
# Minimum probability of another language as evidence in that few words if the script is the target's.
_SURE_OF_FEW = 0.95
# Probability of the target below which a short text may be in another language of its script.
_LEAST_OF_SCRIPT = 0.1
# Minimum letters of a text to be identified as another language of its script.
_FEWEST_LETTERS = 3
# Added to probabilities, since models omit some that are too small.
_LEAST = 1e-6
_SPACED = rf"[[\p{{L}}\p{{N}}]--[{UNSPACED}]]"
_WORD = regex.compile(rf"(?P<letter>[\p{{L}}&&[{UNSPACED}]]\p{{M}}*+)|{_SPACED}(?:{_SPACED}|[\p{{M}}'’\-])*+", regex.V1)
_UNSPACED_LETTER = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]", regex.V1)
# Matches more than LONGEST words, none of them of a script without spaces.
_MORE_WORDS = regex.compile(
    rf"(?:[^\p{{L}}\p{{N}}]*+{_SPACED}(?:{_SPACED}|[\p{{M}}'’\-])*+){{{LONGEST + 1}}}", regex.V1
)


@dataclass(frozen=True)
class ShortText:
    """The rule's options."""

    others: tuple[str, ...] = ("en",)
    """Languages that the text may be in instead of the target, usually the source language."""
    wrong_below: float = 0.7
    """Below this share of the candidates' probability, the text is not in the target language."""
    wrong_below_on_top: float = 0.5
    """As ``wrong_below``, if the target is the identifier's top label."""
    right_from: float = 0.95
    """From this share on, the text is in the target language."""
    least: float = 0.2
    """Minimum probability of the other candidates as evidence against the target in text of up to four words."""
    extractive: bool = False
    """Whether outputs are spans of their inputs, as in SQuAD. Other outputs then need the target as top label."""

    def verdict(self, text: str, target: Language, identifier: LanguageIdentifier) -> float:
        """Whether ``text`` is in ``target``: :data:`RIGHT`, :data:`WRONG` or :data:`CANNOT_TELL`."""
        whole, text = text, prepared(text)
        letters = LETTER.findall(text)
        if not letters:
            return CANNOT_TELL
        others = self.rivals(target)
        ours, *theirs = (share_written(letters, language.script) for language in (target, *others))
        if 0 < ours < 0.5 and (rest := without_names(text, target.script)) != text:
            return self.verdict(rest, target, identifier)
        if ours == 0 and (other_writing := _in_other_script(target, letters, identifier)):
            return self.verdict(whole, other_writing, identifier)
        if ours == 0 or (ours < 0.5 and 1 in theirs):
            return WRONG
        if ours < 0.5 or not writes(frozenset([target.script]), letters):
            return _by_top_label(text, target, identifier)
        rivals = [other for other, share in zip(others, theirs, strict=True) if share >= ours]
        # Capitals that the identifier does not know are judged as such, not by their lower case.
        shouted = text != whole and not knows(readable(whole), identifier)
        return self._by_identifier(text, target, rivals, identifier, shouted)

    def rivals(self, target: Language) -> list[Language]:
        """The languages that a text may be in instead of ``target``."""
        return [other for other in map(Language.parse, self.others) if other != target]

    def _by_identifier(
        self, text: str, target: Language, rivals: Sequence[Language], identifier: LanguageIdentifier, shouted: bool
    ) -> float:
        code = identifier.code(target)
        if not code:
            return by_evidence(text, target, rivals, identifier)
        kin = near(target.code)
        ours = [code, *sorted(kin - {code})]
        theirs = sorted({identifier.code(rival) for rival in rivals} - {*ours, ""})
        few = words_in(text, _FEW) <= _FEW
        if not theirs and self.rivals(target):
            return CANNOT_TELL if rivals else _among_its_script(text, target, few, identifier)
        if not knows(text, identifier):
            # It may know the text in lower case, but lower-cased names need as much evidence as longer text.
            text, shouted = text.lower(), True
            if not knows(text, identifier):
                return CANNOT_TELL
        [(top, probability)] = identifier.identify([text])
        if top not in (*ours, *theirs):
            needed = max(enough(top, target, rivals, identifier), ENOUGH_OF_BRANCH if few and not shouted else 0.0)
            if few:  # a label that depends on the capitals of a name is no evidence
                [(lowered, chance)] = identifier.identify([text.lower()])
                probability = min(probability, chance if lowered == top else 0.0)
            if probability >= needed or not theirs:
                return WRONG if probability >= needed else CANNOT_TELL
        elif not theirs:  # the target is the only candidate
            return RIGHT if probability >= LEAST_OWN else CANNOT_TELL
        if shouted and probability < ENOUGH:
            return CANNOT_TELL
        share, rival = target_share(text, ours, theirs, identifier)
        if share >= self.right_from or (top in ours and not few and probability >= ENOUGH):
            return RIGHT
        wrong_below = self.wrong_below_on_top if top in ours else self.wrong_below
        return (
            WRONG if share < wrong_below and rival >= (self.least if few and not shouted else ENOUGH) else CANNOT_TELL
        )

    @property
    def name(self) -> str:
        """The rule with its options, for signatures."""
        words = f"{LONGEST}-words,others={'+'.join(self.others)}"
        kind = ",extractive" if self.extractive else ""
        wrong = f"wrong<{self.wrong_below:g},on-top<{self.wrong_below_on_top:g}"
        return f"short:{words}{kind},{wrong},right>={self.right_from:g},least={self.least:g}|{NAME}"


def _among_its_script(text: str, target: Language, few: bool, identifier: LanguageIdentifier) -> float:
    """The verdict if the script leaves no other candidate: right, unless identification is sure of another language
    written in these letters."""
    found = weigh(text, target, identifier)
    if not found.top or found.top == identifier.code(target) or found.top in near(target.code):
        return RIGHT
    if not tells_apart(found.top, target, text) or len(LETTER.findall(text)) < _FEWEST_LETTERS:
        return RIGHT
    needed = max(enough(found.top, target, (), identifier), _SURE_OF_FEW if few else ENOUGH_OF_BRANCH)
    if not knows(text, identifier):
        return RIGHT
    if found.probability >= needed:
        return WRONG
    return CANNOT_TELL if found.probability >= ENOUGH and found.family < _LEAST_OF_SCRIPT else RIGHT


def _by_top_label(text: str, target: Language, identifier: LanguageIdentifier) -> float:
    """The verdict if few letters are in the target's script: wrong if identification finds another language."""
    [(top, probability)] = identifier.identify([text])
    is_other = top not in (identifier.code(target), *near(target.code)) and probability >= ENOUGH
    return WRONG if is_other and knows(text, identifier) else CANNOT_TELL


def _in_other_script(target: Language, letters: Sequence[str], identifier: LanguageIdentifier) -> Language | None:
    """The language in another script that has all letters and the same label, such as Serbian in Latin letters."""
    base = target.code.partition("-")[0]
    found = (other for other in all_languages() if other.code.partition("-")[0] == base and other != target)
    same = (other for other in found if identifier.code(other) == identifier.code(target) != "")
    return next((other for other in same if share_written(letters, other.script) == 1), None)


def target_share(
    text: str, ours: Sequence[str], theirs: Sequence[str], identifier: LanguageIdentifier
) -> tuple[float, float]:
    """The share of the codes ``ours`` in the probability of all candidates, and the probability of ``theirs``."""
    codes = [*ours, *theirs]
    found = [chance + _LEAST for chance in identifier.confidence([text] * len(codes), codes)]
    return sum(found[: len(ours)]) / sum(found), sum(found[len(ours) :])


def is_short(text: str) -> bool:
    """Whether ``text`` has ten words or fewer; a letter of a script without spaces counts as half a word."""
    if _UNSPACED_LETTER.search(text):
        return words_in(text, LONGEST) <= LONGEST
    return _MORE_WORDS.match(text) is None


def words_in(text: str, enough: int) -> float:
    """The number of words of ``text``, counted until it exceeds ``enough``; a letter of a script without spaces counts
    as half a word."""
    size = 0.0
    for found in _WORD.finditer(text):
        size += 0.5 if found["letter"] else 1.0
        if size > enough:
            break
    return size


def verdicts(examples: Sequence[Example], identifier: LanguageIdentifier, rule: ShortText) -> list[float]:
    """The verdict on each prediction, none of them blank: short ones by ``rule``, others by evidence.

    The verdict on text without letters and on acronyms is :data:`CANNOT_TELL`. A text that equals a reference, ignoring
    case and punctuation, is right. So is a short text quoted from an input in the target language, since names are part
    of every language.
    """
    return [_verdict(example, Language.parse(example.language), identifier, rule) for example in examples]


def _verdict(example: Example, target: Language, identifier: LanguageIdentifier, rule: ShortText) -> float:
    text = example.prediction
    code = identifier.code(target)
    short = is_short(text)
    if not short:
        # Most long outputs are in their language, and identification confirms that at once. Text in capitals is
        # prepared first.
        [(top, probability)] = identifier.identify([text])
        if code and top == code and probability >= ENOUGH and not is_shouted(text):
            return RIGHT
    if not LETTER.search(text):
        return CANNOT_TELL
    if equals_reference(example) or is_quoted(example, identifier):
        return RIGHT
    if not short:
        return by_evidence(prepared(text), target, rule.rivals(target), identifier)
    if rule.extractive and example.input is not None and code:
        [(top, _)] = identifier.identify([text])
        if top != code:
            return WRONG
    if is_acronym(text):
        return CANNOT_TELL
    return rule.verdict(text, target, identifier)


def equals_reference(example: Example) -> bool:
    """Whether the prediction equals a reference, ignoring case, punctuation, spaces and Unicode form."""
    key = match_key(example.prediction)
    return bool(key) and any(key == match_key(reference) for reference in example.references)


def is_quoted(example: Example, identifier: LanguageIdentifier) -> bool:
    """Whether a short prediction is quoted, as whole words, from a longer input in the target language."""
    code = identifier.code(Language.parse(example.language))
    if not code or example.input is None or is_short(example.input) or not is_short(example.prediction):
        return False
    [(top, _)] = identifier.identify([example.input])
    return top == code and stands_in(example.prediction, example.input)


def stands_in(text: str, whole: str) -> bool:
    """Whether ``whole`` contains ``text`` as whole words, ignoring case and Unicode form."""
    text, whole = fold_case(canonical(text)), fold_case(canonical(whole))
    if not text or text not in whole:
        return False
    pattern = rf"(?<!{_SPACED}(?={_SPACED})){regex.escape(text)}(?!(?<={_SPACED}){_SPACED})"
    return regex.search(pattern, whole, regex.V1) is not None


RULE = ShortText()
"""The rule with its defaults."""
