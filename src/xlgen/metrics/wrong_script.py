"""Outputs in another script than their language's: romanised Hindi, Serbian in Latin letters, simplified for
traditional Chinese.

Characters decide, and identification only excludes text in another language. Models of identification have not seen
romanised text and give it to some language of that script, often with a high probability (``yah ek accha din hai`` is
Romanian with 0.84 for lid.176). The two halves of such a text seldom get the same label, those of text in a real
language mostly do.
"""

from __future__ import annotations

from collections.abc import Sequence

from xlgen.core.languages import Language
from xlgen.metrics.acronyms import is_acronym
from xlgen.metrics.base import Example
from xlgen.metrics.evidence import ENOUGH, ENOUGH_OF_BRANCH, prepared
from xlgen.metrics.function_words import FUNCTION_WORD
from xlgen.metrics.lid import LanguageIdentifier
from xlgen.metrics.scripts import share_in_script, without_names

_LEAST_OF_HALF = 0.3


def in_wrong_script(example: Example, others: Sequence[str], identifier: LanguageIdentifier, is_wrong: bool) -> bool:
    """Whether less than half of the letters are of the target's script, and not because of another language.

    Args:
        example: With a prediction that is not blank. One that equals a reference is for the caller to leave out.
        others: The languages that an output may be in instead, by their codes: the source language.
        identifier: For text that is all in another script.
        is_wrong: Whether the output was found to be in another language.
    """
    text, script = example.prediction, Language.parse(example.language).script
    if not share_in_script(text, script) < 0.5 or is_acronym(text):
        return False
    if not share_in_script(without_names(text, script), script) < 0.5:
        return False
    return not (is_wrong and _in_another_language(prepared(text), others, identifier))


def _in_another_language(text: str, others: Sequence[str], identifier: LanguageIdentifier) -> bool:
    """Whether identification of the whole, with 0.8, and of both halves agree.

    A language of ``others`` needs 0.8, or 0.5 with such agreement or, in English, a function word.
    """
    [(top, probability)] = identifier.identify([text])
    is_other = top in {identifier.code(Language.parse(other)) for other in others}
    if probability < (ENOUGH if is_other else ENOUGH_OF_BRANCH):
        return False
    if is_other and (probability >= ENOUGH_OF_BRANCH or (top == "en" and FUNCTION_WORD.search(text))):
        return True
    # Text without spaces is halved in the middle.
    words = text.split()
    parts = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    parts = parts if len(words) > 1 else [text[: len(text) // 2], text[len(text) // 2 :]]
    return all(label == top and chance >= _LEAST_OF_HALF for label, chance in identifier.identify(parts))
