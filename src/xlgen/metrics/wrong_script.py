"""Outputs in a script other than their language's, such as romanized Hindi or simplified for traditional Chinese.

Characters decide, and identification only excludes text in another language. Identification models have not seen
romanized text and assign it to some language of that script, often with a high probability (lid.176 labels ``yah ek
accha din hai`` as Romanian with 0.84). The two halves of such a text rarely get the same label, while those of text in
a real language usually do.
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
    """Whether less than half of the letters are in the target's script, other than because of another language.

    Args:
        example: An example with a prediction that is not blank. The caller excludes predictions that equal a reference.
        others: Codes of the languages that an output may be in instead, such as the source language.
        identifier: The language identifier.
        is_wrong: Whether the output was found to be in another language.
    """
    text, script = example.prediction, Language.parse(example.language).script
    if not share_in_script(text, script) < 0.5 or is_acronym(text):
        return False
    if not share_in_script(without_names(text, script), script) < 0.5:
        return False
    return not (is_wrong and _in_another_language(prepared(text), others, identifier))


def _in_another_language(text: str, others: Sequence[str], identifier: LanguageIdentifier) -> bool:
    """Whether identification of the whole text, with at least 0.8, agrees with that of both halves.

    A language of ``others`` needs 0.8 alone, or 0.5 with such agreement or, for English, with a function word.
    """
    [(top, probability)] = identifier.identify([text])
    is_other = top in {identifier.code(Language.parse(other)) for other in others}
    if probability < (ENOUGH if is_other else ENOUGH_OF_BRANCH):
        return False
    if is_other and (probability >= ENOUGH_OF_BRANCH or (top == "en" and FUNCTION_WORD.search(text))):
        return True
    # Text without spaces is split in the middle.
    words = text.split()
    parts = [" ".join(words[: len(words) // 2]), " ".join(words[len(words) // 2 :])]
    parts = parts if len(words) > 1 else [text[: len(text) // 2], text[len(text) // 2 :]]
    return all(label == top and chance >= _LEAST_OF_HALF for label, chance in identifier.identify(parts))
