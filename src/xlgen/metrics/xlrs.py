"""XLRS: similarity of the encoder states of an input and of its translation in the source language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics

DEFINING = ("texts", "split", "sample", "cut")
"""The parts of a signature that identify the texts of XLRS, whatever their languages. Scores are comparable only if all
of these parts are equal."""


def definition(signature: str) -> tuple[str, ...]:
    """The :data:`DEFINING` parts of an XLRS score's signature."""
    return tuple(part for part in signature.split("|") if part.partition(":")[0] in DEFINING)


@metrics.register("xlrs")
@dataclass(frozen=True)
class Xlrs:
    """Cosine of the mean encoder states of an input and of its translation; NaN without a translation.

    Neither direction is better by itself. If outputs do not depend on the language, XLRS increases with transfer. If
    they do, it increases with answers in the wrong language (Li and Murray 2023, Table 4).
    """

    texts: str = ""
    """The texts of the cosines, as parts of the signature: ``texts:...|split:test|sentences:512|cut:128``."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("xlrs", unit="count", higher_is_better=None),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Cosines, from -1 to 1."""
        found = [np.nan if example.similarity is None else example.similarity for example in examples]
        return {"xlrs": np.array(found, dtype=float)}

    def signature(self, language: str) -> str:
        """The states and the texts of the cosines."""
        return "|".join(filter(None, ["states:encoder-mean", self.texts]))
