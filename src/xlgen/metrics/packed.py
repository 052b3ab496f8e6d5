"""Packing of an example's counts into one score, for micro averages, which divide sums over all examples.

A metric has one score per example. Up to three integers of 17 bits each fit exactly into the 53 bits of a double.
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
    """Up to three counts as one number in [0, 1). Raises InputError for a count over :data:`LARGEST`."""
    if max(counts) > LARGEST:
        raise InputError(f"an example has {max(counts):,} words or spans; at most {LARGEST:,} can be counted")
    return sum(count << (_BITS * place) for place, count in enumerate(counts)) / _WHOLE


def sums(scores: Scores) -> tuple[int, int, int]:
    """The sums of the three counts over all examples; counts that were not passed to :func:`pack` are 0."""
    whole = (scores * _WHOLE).astype(np.int64)
    first, second, third = (int(((whole >> (_BITS * place)) & LARGEST).sum()) for place in range(COUNTS))
    return first, second, third
