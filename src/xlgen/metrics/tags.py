"""Sequence tagging written as text: a tag a word (L, Table 10, after Raman et al. 2022), by input and by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.accuracy import SENTINEL, bare
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.packed import pack, sums


def tags(text: str) -> list[str]:
    """The tag of each word: what stands behind its sentinel, of several words the first, empty where its sentinel does
    not occur; without any sentinel the words in their order."""
    numbers = [int(found[0][len("<extra_id_") : -1]) for found in SENTINEL.finditer(text)]
    if not numbers:
        return text.split()
    behind = SENTINEL.split(text)[1:]
    of = {number: (words.split() or [""])[0] for number, words in reversed([*zip(numbers, behind, strict=True)])}
    return [of.get(number, "") for number in range(max(numbers) + 1)]


def _of_all_words(scores: Scores) -> float:
    right, words, _ = sums(scores)
    return right / words if words else 0.0


@metrics.register("tags")
@dataclass(frozen=True)
class TagAccuracy:
    """Share of words whose tag is right, in percent.

    - ``tag_accuracy``: of each input's words, averaged over inputs.
    - ``word_accuracy``: of all inputs' words together, as J's accuracy of part-of-speech tags.

    Outputs are taken before clean-up, which would keep a tag repeated at the end only once.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("tag_accuracy", best=100.0),
        MetricSpec("word_accuracy", best=100.0, corpus=_of_all_words),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """A share in [0, 1], 0 for an empty reference with tags predicted; NaN without a reference. For
        ``word_accuracy`` the numbers of right words and of words, packed."""
        compared = [_compare(example) for example in examples]
        shares = [np.nan if found is None else _share(*found) for found in compared]
        packed = [np.nan if found is None else pack(found[0], found[1]) for found in compared]
        return {"tag_accuracy": np.array(shares, dtype=float), "word_accuracy": np.array(packed, dtype=float)}

    def signature(self, language: str) -> str:
        """How words and tags are put together."""
        return "match:sentinel,else:position"


def _compare(example: Example) -> tuple[int, int, bool] | None:
    """How many words are right, how many there are, and whether any tag was predicted."""
    if not example.references:
        return None
    found = tags(example.prediction if example.raw_prediction is None else example.raw_prediction)
    wanted = bare(example.references[0]).split()
    return sum(tag == right for tag, right in zip(found, wanted, strict=False)), len(wanted), any(found)


def _share(right: int, words: int, any_found: bool) -> float:
    return right / words if words else float(not any_found)
