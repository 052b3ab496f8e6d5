"""Longest common subsequences of tokens, of whole texts (ROUGE-L) and sentence by sentence (ROUGE-Lsum)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import LCSseq
from rapidfuzz.process import cpdist

from xlgen.core.registry import InputError
from xlgen.metrics.ragged import Flags, Ints, Ragged, positions, starts_of
from xlgen.metrics.sentence_pairs import SentenceTokens, on_union
from xlgen.metrics.shared_tokens import Slots

# Cells (sentences of references times predicted tokens) compared at once: 8 bytes each, in a few arrays.
_CELLS = 1_000_000
# First surrogate, and the number of code points that a string can hold, which excludes surrogates.
_SURROGATES, _CODES = 0xD800, 0x110000 - 0x800


def lcs_lengths(slots: Slots) -> Ints:
    """The length of the longest common subsequence of each pair."""
    predicted, wanted = _strings(slots.predicted, slots), _strings(slots.wanted, slots)
    return cpdist(predicted, wanted, scorer=LCSseq.similarity, dtype=np.int64)


def union_hits(slots: Slots, predicted: Ragged, wanted: Ragged) -> Ints:
    """ROUGE-Lsum's hits of each pair: tokens of the reference on the union of its sentences' subsequences.

    A token counts at most as often as it is in the prediction.

    Args:
        slots: The tokens of the texts.
        predicted: The predictions' sentences: row ``i`` has the lengths, in tokens, of the sentences of pair ``i``.
        wanted: The same for the references.
    """
    hits = np.zeros(len(slots.wanted.starts) - 1, dtype=np.int64)
    several = (predicted.lengths > 1) | (wanted.lengths > 1)
    # For two single sentences, the union is one subsequence, and no token counts twice.
    single, many = np.flatnonzero(~several), np.flatnonzero(several)
    hits[single] = lcs_lengths(_chosen(slots, single))
    if len(many):
        chosen = _chosen(slots, many)
        matched = _on_union(chosen, predicted.take(many), wanted.take(many))
        times = np.bincount(chosen.wanted.values[matched], minlength=len(chosen.pairs))
        hits[many] = chosen.sum_by_pair(np.minimum(times, chosen.times_predicted))
    return hits


def _on_union(slots: Slots, predicted: Ragged, wanted: Ragged) -> Flags:
    """Whether each token of the references is on the union of subsequences."""
    common = slots.common
    # A token that the prediction lacks never extends a subsequence: its table row equals the row above it.
    kept = common[slots.wanted.values]
    rows = _tokens(slots.wanted.values, wanted, kept)
    # A token that the reference lacks stops the walk at the last growth; a second one next to it changes nothing.
    shared = common[slots.predicted.values]
    columns = _tokens(np.where(shared, slots.predicted.values, -1), predicted, shared | np.append(False, shared[:-1]))
    found = [on_union(rows, columns, predicted, wanted, block) for block in _blocks(columns, predicted, wanted)]
    matched = np.zeros(len(kept), dtype=bool)
    matched[np.flatnonzero(kept)] = np.concatenate([np.zeros(0, dtype=bool), *found])
    return matched


def _tokens(slots: Ints, sentences: Ragged, kept: Flags) -> SentenceTokens:
    numbers = np.repeat(np.arange(len(sentences.values)), sentences.values)[kept]
    return SentenceTokens(slots[kept], numbers, positions(np.bincount(numbers, minlength=len(sentences.values))))


def _blocks(columns: SentenceTokens, predicted: Ragged, wanted: Ragged) -> Iterator[slice]:
    """Blocks of consecutive reference sentences, each with about ``_CELLS`` cells to compare."""
    widths = np.bincount(columns.sentences, minlength=len(predicted.values))
    costs = np.diff(starts_of(widths)[predicted.starts]) + predicted.lengths + 1
    cells = starts_of(np.repeat(costs, wanted.lengths))
    cuts = np.searchsorted(cells, np.arange(0, cells[-1] + _CELLS, _CELLS))
    yield from (slice(*ends) for ends in pairwise(np.unique(np.minimum(cuts, len(cells) - 1))))


def _chosen(slots: Slots, pairs: Ints) -> Slots:
    """The slots of ``pairs``, which are in order. The slots of other pairs remain, without tokens."""
    among = np.zeros(len(slots.wanted.starts) - 1, dtype=np.int64)
    among[pairs] = 1
    numbers = np.maximum(np.cumsum(among) - 1, 0)
    return Slots(slots.predicted.take(pairs), slots.wanted.take(pairs), numbers[slots.pairs])


def _strings(side: Ragged, slots: Slots) -> list[str]:
    """The common tokens of each row as characters, equal for equal tokens."""
    common = slots.common
    # Number the tokens within each pair: small numbers make narrow strings, which rapidfuzz compares fastest.
    before = np.append(0, np.cumsum(common))
    firsts = np.flatnonzero(np.diff(slots.pairs, prepend=-1))
    numbers = before[:-1] - np.repeat(before[firsts], np.diff(firsts, append=len(common)))
    kept = common[side.values]
    codes = numbers[side.values[kept]]
    if codes.max(initial=0) >= _CODES:
        raise InputError(f"two texts share more than {_CODES} different tokens; ROUGE-L cannot compare them")
    text = (codes + np.where(codes < _SURROGATES, 0, 0x800)).astype("<u4").tobytes().decode("utf-32-le")
    starts = np.append(0, np.cumsum(kept))[side.starts]
    return [text[start:end] for start, end in pairwise(starts.tolist())]
