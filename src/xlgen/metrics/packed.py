"""Counts of one example in one score, for figures that divide sums over all examples (micro averages).

A figure has one score an example. Up to three whole numbers go into one exactly: 17 bits each in the 53 of a double.
"""

from __future__ import annotations

import numpy as np

from xlgen.core.registry import InputError
from xlgen.metrics.base import Scores

COUNTS, _BITS = 3, 17
LARGEST = 2**_BITS - 1
"""The largest count of one example."""
_WHOLE = 2.0 ** (COUNTS * _BITS)


def pack(*counts: int) -> float:
    """Up to three counts as one number in [0, 1). Raises InputError for one that is over :data:`LARGEST`."""
    if max(counts) > LARGEST:
        raise InputError(f"an example has {max(counts):,} words or spans; at most {LARGEST:,} can be counted")
    return sum(count << (_BITS * place) for place, count in enumerate(counts)) / _WHOLE


def sums(scores: Scores) -> tuple[int, int, int]:
    """The sums of the three counts over all examples; :func:`pack` left those that it was not given at zero."""
    whole = (scores * _WHOLE).astype(np.int64)
    first, second, third = (int(((whole >> (_BITS * place)) & LARGEST).sum()) for place in range(COUNTS))
    return first, second, third
