"""Accuracy of sequence tagging written as text, one tag per word (Li and Murray 2023, Table 10; Raman et al. 2022)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from xlgen.metrics.accuracy import SENTINEL, bare
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.packed import pack, sums


def tags(text: str) -> list[str]:
    """The tag of each word: the first word after its sentinel, or ``""`` if its sentinel is missing.

    Without any sentinel, the words of ``text`` are the tags in order.
    """
    numbers = [int(found[0][len("<extra_id_") : -1]) for found in SENTINEL.finditer(text)]
    if not numbers:
        return text.split()
    after = SENTINEL.split(text)[1:]
    of = {number: (words.split() or [""])[0] for number, words in reversed([*zip(numbers, after, strict=True)])}
    return [of.get(number, "") for number in range(max(numbers) + 1)]


def _of_all_words(scores: Scores) -> float:
    right, words, _ = sums(scores)
    return right / words if words else 0.0


@metrics.register("tags")
@dataclass(frozen=True)
class TagAccuracy:
    """Share of words whose tag is right, in percent.

    - ``tag_accuracy``: the share in each input, averaged over inputs.
    - ``word_accuracy``: the share over all inputs together, as Ji et al. (2024) report for part-of-speech tags.

    Outputs are taken before clean-up, which would remove repeated tags at the end.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("tag_accuracy", best=100.0),
        MetricSpec("word_accuracy", best=100.0, corpus=_of_all_words),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """A share in [0, 1], 0 for an empty reference with predicted tags; NaN without a reference.

        For ``word_accuracy``, the numbers of correct words and of words, packed.
        """
        compared = [_compare(example) for example in examples]
        shares = [np.nan if found is None else _share(*found) for found in compared]
        packed = [np.nan if found is None else pack(found[0], found[1]) for found in compared]
        return {"tag_accuracy": np.array(shares, dtype=float), "word_accuracy": np.array(packed, dtype=float)}

    def signature(self, language: str) -> str:
        """How words and tags are aligned."""
        return "match:sentinel,else:position"


def _compare(example: Example) -> tuple[int, int, bool] | None:
    """The number of correct words, the number of words, and whether any tag was predicted."""
    if not example.references:
        return None
    found = tags(example.prediction if example.raw_prediction is None else example.raw_prediction)
    wanted = bare(example.references[0]).split()
    return sum(tag == right for tag, right in zip(found, wanted, strict=False)), len(wanted), any(found)


def _share(right: int, words: int, any_found: bool) -> float:
    return right / words if words else float(not any_found)
