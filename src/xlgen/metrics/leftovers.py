"""Outputs that hold leftovers of pretraining, and empty ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, Figure, Scores, plugins

# The sentinels of T5's span corruption; there are a hundred of them.
_SENTINEL = r"<extra_id_\d+>"
TOKENS = ("<sep>",)
"""Leftovers beside ``<extra_id_N>``."""


@cache
def _compiled(tokens: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join([_SENTINEL, *map(re.escape, filter(None, tokens))]))


def pattern(tokens: Sequence[str] = TOKENS) -> re.Pattern[str]:
    """Finds ``<extra_id_N>`` and each of ``tokens``, to the letter."""
    return _compiled(tuple(tokens))


@plugins.register("leftovers")
@dataclass(frozen=True)
class Leftovers:
    """Shares of outputs with pretraining leftovers, and of empty outputs, both in percent.

    - ``leftover_rate`` looks at the output before clean-up, or at the prediction where only that is known.
    - ``empty_rate`` looks at the prediction after clean-up; white space alone is empty.

    Chirkova et al. 2023, appendix A: the sentinels come from mT5, ``<sep>`` from mBART-50.
    """

    tokens: tuple[str, ...] = TOKENS
    """Leftovers beside ``<extra_id_N>``, to the letter."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("leftover_rate", higher_is_better=False, best=0.0),
        Figure("empty_rate", higher_is_better=False, best=0.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0 for each example."""
        leftover = pattern(self.tokens)
        raw = [each.prediction if each.raw_prediction is None else each.raw_prediction for each in examples]
        return {
            "leftover_rate": np.array([leftover.search(text) is not None for text in raw], dtype=float),
            "empty_rate": np.array([not each.prediction.strip() for each in examples], dtype=float),
        }

    def signature(self, language: str) -> str:
        """The leftovers looked for."""
        return f"tokens:{','.join(['<extra_id_N>', *self.tokens])}"
