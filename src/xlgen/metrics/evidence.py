"""Rules for when an identified label is evidence for or against the target language.

Identifiers label any text. lid.176 labels the empty text, ``1990`` and unknown words in capitals as English with 0.125,
and human Malay as Indonesian with 0.6. A label counts here only under three rules:

- **Script.** A label is no evidence if its language is not written in the letters of the text: Ethiopic letters are not
  Russian, and ten Chinese characters without kana are not Japanese. Probabilities are renormalized over the remaining
  labels.
- **Enough probability.** Another language needs :data:`ENOUGH` to be the verdict. It needs :data:`ENOUGH_OF_BRANCH` if
  it is of the target's branch and not one of the languages that the text may be in instead. The target together with
  its near languages needs :data:`LEAST_OWN`.
- **Near languages** (:mod:`xlgen.metrics.near_languages`) are never evidence against each other. If a near language has
  nearly all of the probability, the verdict is "cannot tell".

The verdict is also "cannot tell" if no rule decides. For a target without a label, it is "cannot tell" unless the text
is in another language. Rates on human text are in docs/explanation/language-identification.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import regex

from xlgen.core.languages import Language, all_languages
from xlgen.metrics.lid import LanguageIdentifier
from xlgen.metrics.masking import FILLER, mask
from xlgen.metrics.near_languages import near, of_one_branch
from xlgen.metrics.normalization import readable
from xlgen.metrics.scripts import LETTER, is_only_japanese, is_unknown_to_japanese, share_written

RIGHT, WRONG, CANNOT_TELL = 1.0, 0.0, math.nan
"""Verdicts: whether a text is in the target language."""

ENOUGH = 0.5
"""Minimum probability of another language to count as evidence for it."""
ENOUGH_OF_BRANCH = 0.8
"""Minimum probability for a language of the target's own branch."""
ENOUGH_UNLABELLED = 0.6
"""Minimum probability against a target without a label, whose text the identifier has never seen."""
ENOUGH_UNLABELLED_OTHER = 0.95
"""As before, for a language of another branch that is not one of those that the text may be in instead."""
LEAST_OWN = 0.3
"""Minimum probability of the target and its near languages together to count as evidence for the target."""
NAME = f"evidence:{ENOUGH:g},branch>={ENOUGH_OF_BRANCH:g},own>={LEAST_OWN:g}"
"""Name of the rules, for signatures."""

_NOTHING = "0"
_SAME = 1e-4
_LEAST_SHARE = 0.2  # minimum share of the target within its family of near languages
_WORTH_A_LOOK = 0.001
_LONG_HAN = 10
_CAPITALS = regex.compile(r"\p{Lu}")
_CAPITALS_IN_A_ROW = regex.compile(r"\p{Lu}\p{M}*[\p{P}\s]*\p{Lu}")
_SMALL = regex.compile(r"\p{Ll}")
_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
# Chinese advertising writes の for 的; every other kana is Japanese.
_JAPANESE = regex.compile(r"[\p{Hiragana}\p{Katakana}--の]", regex.V1)
_LEAST_JAPANESE = 0.05


@dataclass(frozen=True)
class Evidence:
    """The probabilities that decide about one text."""

    top: str
    """Code of the most probable language; ``""`` if there is none."""
    probability: float
    own: float
    """The probability of the target's label."""
    family: float
    """The probability of the target's label and those of its near languages."""


def prepared(text: str) -> str:
    """``text`` in the form to identify: without addresses and codes, in lower case if most letters are capitals."""
    text = mask(readable(text)).replace(FILLER, "")
    return text.lower() if is_shouted(text) else text


def is_shouted(text: str) -> bool:
    """Whether most letters are capitals."""
    if not _CAPITALS_IN_A_ROW.search(text):  # as in most text
        return False
    return text.isupper() or len(_CAPITALS.findall(text)) > len(_SMALL.findall(text))


def weigh(text: str, target: Language, identifier: LanguageIdentifier) -> Evidence:
    """The evidence in a text from :func:`prepared`."""
    code = identifier.code(target)
    [(top, probability)] = identifier.identify([text])
    if code and top == code and probability >= ENOUGH:
        return Evidence(top, probability, probability, probability)
    chances = _possible(text, identifier)
    family = sum(chance for label, chance in chances.items() if label == code or label in near(target.code))
    top = max(chances, key=chances.__getitem__, default="")
    return Evidence(top, chances.get(top, 0.0), chances.get(code, 0.0) if code else 0.0, family)


def knows(text: str, identifier: LanguageIdentifier) -> bool:
    """Whether the identifier's answer differs from its answer to a text without information."""
    [found, nothing] = identifier.identify([text, _NOTHING])
    return found[0] != nothing[0] or abs(found[1] - nothing[1]) > _SAME


def by_evidence(text: str, target: Language, others: Sequence[Language], identifier: LanguageIdentifier) -> float:
    """The verdict of identification on whether a text from :func:`prepared` is in ``target``."""
    found = weigh(text, target, identifier)
    code = identifier.code(target)
    if not found.top:
        return CANNOT_TELL
    if found.top == code or found.top in near(target.code):
        is_own = bool(code) and found.family >= LEAST_OWN and found.own >= _LEAST_SHARE * found.family
        return RIGHT if is_own else CANNOT_TELL
    if not tells_apart(found.top, target, text):
        return CANNOT_TELL
    return WRONG if found.probability >= enough(found.top, target, others, identifier) else CANNOT_TELL


def enough(label: str, target: Language, others: Sequence[Language], identifier: LanguageIdentifier) -> float:
    """Minimum probability of a label that is not near ``target`` to count against it; above 1 if it never does."""
    is_other = label in {identifier.code(other) for other in others}
    of_branch = of_one_branch(target.code, label)
    if not identifier.code(target):
        return ENOUGH_UNLABELLED if is_other else math.inf if of_branch else ENOUGH_UNLABELLED_OTHER
    return ENOUGH_OF_BRANCH if of_branch and not is_other else ENOUGH


def tells_apart(label: str, target: Language, text: str) -> bool:
    """Whether ``label`` may be evidence against ``target`` in ``text``.

    In fewer than ten Chinese characters without kana, only characters that one language lacks distinguish Japanese from
    Chinese.
    """
    languages = {label.partition("-")[0], target.code.partition("-")[0]}
    if languages != {"ja", "zh"} or _KANA.search(text):
        return True
    if label != "ja" and len(_HAN.findall(text)) >= _LONG_HAN:
        return True  # Japanese of such length has kana
    return any(map(is_only_japanese if label == "ja" else is_unknown_to_japanese, text))


def _possible(text: str, identifier: LanguageIdentifier) -> dict[str, float]:
    """The renormalized probabilities of the labels whose language is written in the letters of ``text``."""
    letters = LETTER.findall(text)
    if not letters:
        return {}
    scripts, found = _scripts_of(identifier), identifier.likely(text, _WORTH_A_LOOK)
    kept = {label: chance for label, chance in found.items() if writes(scripts.get(label), letters)}
    total = sum(kept.values())
    return {label: chance / total for label, chance in kept.items()}


def writes(scripts: frozenset[str] | None, letters: Sequence[str]) -> bool:
    """Whether text of these letters may be in a language of these scripts; ``None`` means any script."""
    if scripts is None:
        return True
    if scripts == {"Jpan"} and len(letters) >= _LONG_HAN and not any(map(_KANA.match, letters)):
        return False
    if scripts <= {"Hans", "Hant"} and sum(map(bool, map(_JAPANESE.match, letters))) >= _LEAST_JAPANESE * len(letters):
        return False
    return any(share_written(letters, script) >= 0.5 for script in scripts)


@cache
def _scripts_of(identifier: LanguageIdentifier) -> dict[str, frozenset[str]]:
    """The scripts of each code that the identifier can return."""
    found: dict[str, set[str]] = {}
    for language in all_languages():
        if code := identifier.code(language):
            found.setdefault(code, set()).add(language.script)
    return {code: frozenset(scripts) for code, scripts in found.items()}
