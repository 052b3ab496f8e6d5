"""Sequence tagging written as text: a tag a word (L, Table 10, after Raman et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.accuracy import SENTINEL, bare
from xlgen.metrics.base import Example, Figure, Scores, plugins


def tags(text: str) -> list[str]:
    """The tag of each word: what stands behind its sentinel, of several words the first, empty where its sentinel does
    not occur; without any sentinel the words in their order."""
    numbers = [int(found[0][len("<extra_id_") : -1]) for found in SENTINEL.finditer(text)]
    if not numbers:
        return text.split()
    behind = SENTINEL.split(text)[1:]
    of = {number: (words.split() or [""])[0] for number, words in reversed([*zip(numbers, behind, strict=True)])}
    return [of.get(number, "") for number in range(max(numbers) + 1)]


@plugins.register("tags")
@dataclass(frozen=True)
class Tags:
    """Share of an input's words whose tag is right, in percent, averaged over inputs.

    Outputs are taken before clean-up, which would keep a tag repeated at the end only once.
    """

    figures: ClassVar[tuple[Figure, ...]] = (Figure("tag_accuracy", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """A share in [0, 1], 0 for an empty reference with tags predicted; NaN without a reference."""
        return {"tag_accuracy": np.array([_share(example) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """How words and tags are put together."""
        return "match:sentinel,else:position"


def _share(example: Example) -> float:
    if not example.references:
        return np.nan
    found = tags(example.prediction if example.raw_prediction is None else example.raw_prediction)
    wanted = bare(example.references[0]).split()
    if not wanted:
        return float(not any(found))
    return sum(tag == right for tag, right in zip(found, wanted, strict=False)) / len(wanted)
