"""The union of longest common subsequences (Lin 2004, section 3.2), for many pairs of sentences at once.

The union, and so the score, depends on which of several longest subsequences is chosen. ``rouge_score`` walks its table
from the last words: over a match at once, else to the row before if that loses nothing, else to the column before.
Here, a column of that table is a bit vector with one bit per word of the reference's sentence. Bit i is set if the
length of the subsequence grows by one from word i - 1 to word i (Hyyrö 2004, "Bit-parallel LCS-length computation
revisited"). The walk needs nothing else: within a column, it goes up to the next bit that is a growth or a match.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)
_SHIFTS = [np.uint64(2**power) for power in range(6)]
_ONE = np.uint64(1)


def matched_bits(matches: Words) -> Words:
    """Which words of reference sentences are on the walk through a predicted sentence, for many pairs of sentences.

    Args:
        matches: (columns, words, pairs), one column per predicted token: the bits of the reference's tokens that equal
            it, 64 per word, the first token lowest. Shorter predictions are padded with zeros in front.

    Returns:
        (words, pairs), one bit per token of the reference's sentence.
    """
    growths = _forward(matches)
    columns, words, pairs = matches.shape
    below = np.full((words, pairs), _ALL)  # the rows that the walk has not passed
    hits = np.zeros((words, pairs), dtype=np.uint64)
    for column in range(columns - 1, -1, -1):
        passed = None  # whether the next stop is in a higher word, all ones or all zeros
        for word in range(words - 1, -1, -1):
            match = matches[column, word]
            stop = growths[column, word]
            stop |= match
            stop &= below[word]
            rest = _fill_below(stop)
            top = rest ^ (rest >> _ONE)
            if words > 1:
                found = np.where(rest != 0, _ALL, np.uint64(0))
                if passed is not None:
                    top &= ~passed
                    rest |= passed
                    found |= passed
                passed = found
            top &= match
            hits[word] |= top
            # Over a match, the walk passes the row; else the row remains for the column before.
            np.bitwise_xor(rest, top, out=below[word])
    return hits


def _forward(matches: Words) -> Words:
    """The growths after each column; shapes as in :func:`matched_bits`."""
    columns, words, pairs = matches.shape
    flat = np.full((words, pairs), _ALL)  # no growth yet
    growths = np.empty_like(matches)
    for column in range(columns):
        carry = None
        for word in range(words):
            before = flat[word]
            hit = before & matches[column, word]
            total = before + hit
            if words > 1:
                overflow = total < hit
                if carry is not None:
                    total += carry
                    overflow |= total < carry
                carry = overflow.astype(np.uint64)
            before ^= hit
            before |= total
            np.invert(before, out=growths[column, word])
    return growths


def _fill_below(bits: Words) -> Words:
    """All bits from the highest set bit down."""
    filled = bits.copy()
    for shift in _SHIFTS:
        filled |= filled >> shift
    return filled


def matched_bits_of_long(matches: Sequence[int], size: int) -> int:
    """:func:`matched_bits` for one pair of sentences of any length, with the bits in Python integers.

    Growths are stored only for about the square root of the columns and recomputed block by block, so that memory is
    bounded by ``2 * size * sqrt(columns)`` bits.
    """
    block = math.isqrt(len(matches)) + 1
    starts = range(0, len(matches), block)
    full = (1 << size) - 1
    flats = [full]
    for start in starts:
        flats.append(_columns(flats[-1], matches[start : start + block], full)[-1])
    below, hits = full, 0
    for start, flat in zip(reversed(starts), flats[-2::-1], strict=True):
        part = matches[start : start + block]
        for match, after in zip(reversed(part), reversed(_columns(flat, part, full)), strict=True):
            height = ((match | (full ^ after)) & below).bit_length()
            if not height:
                return hits
            below = (1 << height) - 1
            if match >> (height - 1) & 1:
                hits |= 1 << (height - 1)
                below >>= 1
    return hits


def _columns(flat: int, matches: Sequence[int], full: int) -> list[int]:
    """The bits without growth after each column."""
    columns = []
    for match in matches:
        hit = flat & match
        if hit:
            flat = ((flat + hit) | (flat ^ hit)) & full
        columns.append(flat)
    return columns
