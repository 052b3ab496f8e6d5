"""Sentence splitting for ROUGE-Lsum, which compares texts sentence by sentence."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import regex

from xlgen.core.languages import Language
from xlgen.core.registry import InputError, nearest

SentenceRule: TypeAlias = Literal["newline", "marks", "t5"]

# Unicode's sentence marks: 。！？ of Chinese and Japanese, ؟ and ۔ of Arabic and Urdu, । of Hindi, ። of Amharic, ...
# A space must follow . ! ? because they also occur inside numbers, addresses and abbreviations. Closing quotation marks
# and brackets belong to the sentence before them.
_CLOSING = r"[\p{Pe}\p{Pf}\"']*+"
# Before a space, “ ‘ « are closing marks too, as in German: „Komm.“ Sie kam.
_CLOSING_BEFORE_SPACE = r"[\p{Pe}\p{Pf}\p{Pi}\"']*+"
_END = regex.compile(
    rf"[\p{{Sentence_Terminal}}--[.!?]][\p{{Sentence_Terminal}}]*+{_CLOSING}"
    rf"|[.!?…]++{_CLOSING_BEFORE_SPACE}(?=\s)|\n",
    regex.V1,
)
# Thai and Lao have no sentence marks; a space ends a phrase or sentence.
_SPACE = regex.compile(r"\s+")
_BY_SPACE = ("Thai", "Laoo")


def sentences(rule: SentenceRule, language: str) -> Callable[[str], list[str]]:
    """The sentence splitter of a language. Its result may contain empty sentences.

    - ``newline``: a line is a sentence. This is the rule of ``rouge_score``, and the default everywhere.
    - ``marks``: a sentence ends at a sentence mark of any script, or at a newline. It replaces ``rouge_score``'s
      ``split_summaries``, which needs a download and supports only English. A mark . ! ? counts only before a space;
      abbreviations (``Dr. No``) are split. Thai and Lao, which have no such marks, are split at every space.
    - ``t5``: a sentence ends at a newline, or at a full stop between two spaces, as in tokenized text. This is the rule
      of the T5 library.

    Raises:
        InputError: for an unknown rule.
    """
    if rule not in get_args(SentenceRule):
        raise InputError(f"unknown sentence rule {rule!r}: {nearest(rule, get_args(SentenceRule))}")
    if rule == "newline":
        return _lines
    if rule == "t5":
        return lambda text: text.replace(" . ", " .\n").split("\n")
    return _phrases if Language.parse(language).script in _BY_SPACE else _marked


def _lines(text: str) -> list[str]:
    return text.split("\n")


def _phrases(text: str) -> list[str]:
    return _SPACE.split(text)


def _marked(text: str) -> list[str]:
    ends = [match.end() for match in _END.finditer(text)]
    return [text[start:end] for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
