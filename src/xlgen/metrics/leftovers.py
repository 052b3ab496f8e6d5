"""Outputs that hold leftovers of pretraining, and empty ones."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, Figure, Scores, plugins

# The sentinels of T5's span corruption, of which there are a hundred; and the names of byte pieces, which tokenizers
# without byte fallback write out.
_NUMBERED = (r"<extra_id_\d+>", r"<0x[0-9A-F]{2}>")
TOKENS = ("<sep>", "<unk>", "<pad>", "<mask>")
"""Leftovers besides sentinels and byte pieces."""


@cache
def _compiled(tokens: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile("|".join([*_NUMBERED, *map(re.escape, filter(None, tokens))]))


def pattern(tokens: Sequence[str] = TOKENS) -> re.Pattern[str]:
    """Finds ``<extra_id_N>``, ``<0xNN>`` and each of ``tokens``, to the letter."""
    return _compiled(tuple(tokens))


def left_over(example: Example, tokens: Sequence[str] = TOKENS) -> bool:
    """Whether the output before clean-up, or the prediction where only that is known, holds a leftover.

    What the input or a reference holds too is text that was copied, and no leftover.
    """
    raw = example.prediction if example.raw_prediction is None else example.raw_prediction
    if "<" not in raw and not any(token in raw for token in tokens if "<" not in token):
        return False
    known = (example.input or "", *example.references)
    return any(not any(found in text for text in known) for found in pattern(tokens).findall(raw))


@plugins.register("leftovers")
@dataclass(frozen=True)
class Leftovers:
    """Shares of outputs with pretraining leftovers, and of empty outputs, both in percent.

    - ``leftover_rate`` looks at the output before clean-up, or at the prediction where only that is known. A leftover
      that the input or a reference holds is copied text, and does not count.
    - ``empty_rate`` looks at the prediction after clean-up; white space alone is empty.

    Chirkova et al. (2023), appendix A: the sentinels come from mT5, ``<sep>`` from mBART-50. ``<unk>`` stands for a
    character that the vocabulary lacks.
    """

    tokens: tuple[str, ...] = TOKENS
    """Leftovers besides ``<extra_id_N>`` and ``<0xNN>``, to the letter."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("leftover_rate", higher_is_better=False, best=0.0),
        Figure("empty_rate", higher_is_better=False, best=0.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0 for each example."""
        return {
            "leftover_rate": np.array([left_over(each, self.tokens) for each in examples], dtype=float),
            "empty_rate": np.array([not each.prediction.strip() for each in examples], dtype=float),
        }

    def signature(self, language: str) -> str:
        """The leftovers looked for."""
        return f"tokens:{','.join(['<extra_id_N>', '<0xNN>', *self.tokens])}"
