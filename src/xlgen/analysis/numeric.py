"""The share of labels that are numbers, for tasks whose inputs are not parallel and so have no label overlap.

Li and Murray (2023, section 5.4) count TyDiQA's answers: 16 % are pure numbers, 50.6 % "mainly composed of numbers
(Time and Dates)". They do not define the latter, so this module gives a lower and an upper bound.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from xlgen.metrics.subset import has_number
from xlgen.metrics.words import splitter


@dataclass(frozen=True)
class NumericShares:
    """Shares of labels, in percent."""

    pure: float
    """Labels with digits and without letters: ``1912``, ``5,000``, ``50 %``, ``12/10/1999``."""
    mostly: float
    """Labels in which at least half of the words have a digit: ``12 October 1999``."""
    some: float
    """Labels with a digit anywhere."""


def numeric_shares(labels: Sequence[str], language: str) -> NumericShares:
    """The shares among ``labels`` (at least one) in ``language``. Digits of any script count; number words do not."""

    def share(count: int) -> float:
        return 100 * count / len(labels)

    return NumericShares(
        share(sum(map(is_number, labels))),
        share(sum(is_mostly_numbers(label, language) for label in labels)),
        share(sum(map(has_number, labels))),
    )


def is_number(text: str) -> bool:
    """Whether a text has digits and no letters."""
    return has_number(text) and not any(unicodedata.category(char)[0] == "L" for char in text)


def is_mostly_numbers(text: str, language: str) -> bool:
    """Whether at least half of the words of a text have a digit."""
    words = splitter(language).split(text)
    return is_number(text) or (bool(words) and 2 * sum(map(has_number, words)) >= len(words))
