"""Numbers of tokens and token pairs that two texts share, counted for many pairs of texts at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xlgen.metrics.ragged import Flags, Ints, Ragged, firsts, ranked


@dataclass(frozen=True)
class Slots:
    """The tokens of pairs of texts, where each distinct token of a pair has its own number, a slot.

    The slots of a pair are consecutive, so a slot determines its pair.
    """

    predicted: Ragged
    """Slots of the predictions' tokens, one row per pair."""
    wanted: Ragged
    """Slots of the references' tokens, one row per pair."""
    pairs: Ints
    """The pair of each slot."""

    @staticmethod
    def of(predicted: Ragged, wanted: Ragged) -> Slots:
        """Slots from token numbers, at least 0; row ``i`` of both is pair ``i``."""
        tokens = np.concatenate([predicted.values, wanted.values])
        largest = int(tokens.max(initial=0)) + 1
        keys = np.concatenate([predicted.rows, wanted.rows]) * largest + tokens
        slots, distinct = ranked(keys)
        cut = len(predicted.values)
        return Slots(Ragged(slots[:cut], predicted.starts), Ragged(slots[cut:], wanted.starts), distinct // largest)

    @property
    def times_predicted(self) -> Ints:
        """The number of occurrences of each slot's token in the prediction."""
        return np.bincount(self.predicted.values, minlength=len(self.pairs))

    @property
    def times_wanted(self) -> Ints:
        """The number of occurrences of each slot's token in the reference."""
        return np.bincount(self.wanted.values, minlength=len(self.pairs))

    @property
    def common(self) -> Flags:
        """Whether both texts of the pair contain each slot's token."""
        return (self.times_predicted > 0) & (self.times_wanted > 0)

    def sum_by_pair(self, numbers: Ints) -> Ints:
        """The sum over the slots of each pair, from one number per slot."""
        return _sums(self.pairs, numbers, len(self.wanted.starts) - 1)


def unigram_hits(slots: Slots) -> Ints:
    """The number of shared tokens of each pair, each counted as often as both texts have it."""
    return slots.sum_by_pair(np.minimum(slots.times_predicted, slots.times_wanted))


def bigram_hits(slots: Slots) -> Ints:
    """The number of shared bigrams of each pair, each counted as often as both texts have it."""
    common = slots.common
    # A bigram can be in both texts only if both its tokens are, so few bigrams remain to sort.
    predicted, wanted = (_bigrams(side, common) for side in (slots.predicted, slots.wanted))
    keys = np.concatenate([predicted * 2, wanted * 2 + 1])
    keys.sort()
    first = firsts(keys >> 1)
    ends = np.append(first[1:], len(keys))
    wanted_before = np.concatenate([[0], np.cumsum(keys & 1)])
    times_wanted = wanted_before[ends] - wanted_before[first]
    hits = np.minimum(times_wanted, ends - first - times_wanted)
    return _sums(slots.pairs[(keys[first] >> 1) // len(common)], hits, len(slots.wanted.starts) - 1)


def _bigrams(side: Ragged, common: Flags) -> Ints:
    """One number for each bigram of two common tokens."""
    if not len(side.values):
        return side.values
    kept = common[side.values]
    inside = np.ones(len(side.values), dtype=bool)
    inside[side.starts[1:][side.lengths > 0] - 1] = False  # the last token of a row starts no bigram
    at = np.flatnonzero(kept[:-1] & kept[1:] & inside[:-1])
    return side.values[at] * len(common) + side.values[at + 1]


def _sums(groups: Ints, numbers: Ints, count: int) -> Ints:
    # bincount adds floats, which are exact for whole numbers of this size.
    return np.bincount(groups, weights=numbers, minlength=count).astype(np.int64)
