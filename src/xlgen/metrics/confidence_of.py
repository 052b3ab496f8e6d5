"""Confidence of language identification in given languages, such as the source language, for all outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.core.json_types import JsonMapping
from xlgen.core.languages import Language, UnknownLanguageError
from xlgen.metrics.base import Example, MetricSpec, NamingMetric, Scores, metrics
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load_identifier

PREFIX = "lid_confidence_"
"""Prefix of the scores' names; the canonical code of a language follows."""


@metrics.register("confidence_of")
@dataclass(frozen=True)
class ConfidenceOf(NamingMetric):
    """The mean probability that outputs are in each of ``languages``, in percent, whatever the target language.

    These are the columns LID_EN of Vu et al. (2022, Tables 10 and 11) and LID_DE of Li and Murray (2023, Table 9): how
    much of the source language is in outputs for other languages. Every evaluation reports ``lid_confidence_XX`` for
    each source language XX. An empty prediction scores 0; the score is NaN if the identifier has no label for XX. The
    confidence in the target language is ``lid_confidence``.
    """

    languages: tuple[str, ...] = ("en",)
    """The languages whose probability is reported."""
    identifier: str | LanguageIdentifier = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file. In Python, also an
    identifier object."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec(f"{PREFIX}en", higher_is_better=None),)
    """An instance has one entry for each of its languages."""

    def __post_init__(self) -> None:
        codes = dict.fromkeys(Language.parse(language).code for language in self.languages)
        figures = tuple(MetricSpec(f"{PREFIX}{code}", higher_is_better=None) for code in codes)
        object.__setattr__(self, "figures", figures)

    @classmethod
    def options_of(cls, figure: str) -> JsonMapping | None:
        """``{"languages": ("de",)}`` for ``lid_confidence_de``; None for another kind of name."""
        try:
            code = Language.parse(figure.removeprefix(PREFIX)).code
        except UnknownLanguageError:
            return None
        return {"languages": (code,)} if figure == PREFIX + code else None

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Probabilities, in [0, 1]."""
        identifier, texts = self._load(), [example.prediction for example in examples]
        found: dict[str, Scores] = {}
        for figure in self.figures:
            code = identifier.code(Language.parse(figure.name.removeprefix(PREFIX)))
            values = identifier.confidence(texts, [code] * len(texts)) if code else [np.nan] * len(texts)
            found[figure.name] = np.array(values, dtype=float)
        return found

    def signature(self, language: str) -> str:
        """The identification model."""
        return f"lid:{self._load().name}"

    def _load(self) -> LanguageIdentifier:
        return load_identifier(self.identifier) if isinstance(self.identifier, str) else self.identifier
