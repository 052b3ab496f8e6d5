"""Macro F1 of classification labels that are generated as text: the unweighted mean over classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import numpy as np

from xlgen.metrics.accuracy import compared
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics

# Two labels are packed into one score, each as this many bits of its hash.
_BITS = 26


def macro_f1(predicted: Sequence[Hashable], gold: Sequence[Hashable]) -> float:
    """The mean F1, in [0, 1], over the classes in ``predicted`` or ``gold``; 0 without any.

    Equal to scikit-learn's ``f1_score(gold, predicted, average="macro", zero_division=0)``.
    """
    right = Counter(label for label, wanted in zip(predicted, gold, strict=True) if label == wanted)
    # F1 of a class is 2 right / (predicted + gold); the denominator is never 0 here.
    both = Counter(predicted) + Counter(gold)
    # Sorted, so that rounding does not depend on the order of the examples.
    shares = sorted(2 * right[label] / count for label, count in both.items())
    return sum(shares) / len(shares) if shares else 0.0


def _corpus(scores: Scores) -> float:
    whole = (scores * 2.0 ** (2 * _BITS)).astype(np.int64)
    return macro_f1((whole & (2**_BITS - 1)).tolist(), (whole >> _BITS).tolist())


@metrics.register("macro_f1")
@dataclass(frozen=True)
class MacroF1:
    """F1 of each label against the first reference, averaged over labels, in percent; case and spaces do not count.

    Labels are compared by 26 bits of a hash: with 100 labels, the chance of a collision is 0.00007.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("macro_f1", best=100.0, corpus=_corpus),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Both labels of each input, packed; NaN without a reference."""
        return {"macro_f1": np.array([_packed(example) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """How labels are compared."""
        return "norm:case,spaces,sentinels|average:macro"


def _packed(example: Example) -> float:
    if not example.references:
        return np.nan
    wanted, found = (_number(compared(text, example.language)) for text in (example.references[0], example.prediction))
    return ((wanted << _BITS) + found) / 2.0 ** (2 * _BITS)


def _number(label: str) -> int:
    digest = blake2b(label.encode(errors="replace"), digest_size=4).digest()
    return int.from_bytes(digest) >> (32 - _BITS)
