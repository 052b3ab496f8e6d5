"""Correct-language rate for short outputs, by candidate languages and scripts, with the verdict "cannot tell"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.core.languages import Language
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.lid import SMALL, load_identifier
from xlgen.metrics.short_text import RULE, ShortText, verdicts


@metrics.register("short_language_rate")
@dataclass(frozen=True)
class ShortLanguageRate:
    """Correct-language rate by the rule for short text, in percent.

    The rule is described in :mod:`xlgen.metrics.short_text`.

    - ``short_language_rate``: the share in the target language of the predictions that the rule can decide. Longer text
      is decided by evidence (:mod:`xlgen.metrics.evidence`). An empty prediction is wrong.
    - ``cannot_tell_rate``: the share that the rule cannot decide, which ``short_language_rate`` leaves out.
    """

    identifier: str = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file."""
    rule: ShortText = RULE
    """Thresholds of the rule, and the languages that it distinguishes."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("short_language_rate", best=100.0),
        MetricSpec("cannot_tell_rate", higher_is_better=None),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0; NaN in ``short_language_rate`` for an undecided prediction."""
        right = np.zeros(len(examples))
        full = [row for row, example in enumerate(examples) if example.prediction.strip()]
        right[full] = verdicts([examples[row] for row in full], load_identifier(self.identifier), self.rule)
        return {"short_language_rate": right, "cannot_tell_rate": np.isnan(right).astype(float)}

    def signature(self, language: str) -> str:
        """The identifier, the candidates and the thresholds."""
        identifier = load_identifier(self.identifier)
        code = identifier.code(Language.parse(language)) or "none"
        return f"lid:{identifier.name}|label:{code}|{self.rule.name}"
