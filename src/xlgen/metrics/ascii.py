"""Share of ASCII characters, which shows unwanted English if the target's script is not Latin (Vu et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics


def ascii_share(text: str) -> float:
    """ASCII characters / characters, in [0, 1]. Spaces, digits and punctuation count; NaN for empty text."""
    return sum(map(str.isascii, text)) / len(text) if text else float("nan")


@metrics.register("ascii")
@dataclass(frozen=True)
class Ascii:
    """The mean over predictions of the percentage of ASCII characters (Vu et al. 2022, section 2.3).

    Neither direction is better by itself: compare the value with that of the references. Empty predictions are left
    out, since a 0 would count them as text without English; ``empty_rate`` counts them.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("ascii_rate", higher_is_better=None),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Shares in [0, 1]; NaN for an empty prediction."""
        return {"ascii_rate": np.array([ascii_share(example.prediction) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """What is counted."""
        return "unit:codepoints"
