"""Near-duplicates between two lists of texts: those whose shingles have a Jaccard index of 0.8 or more.

The search is exact (prefix filtering: Chaudhuri et al. 2006; Bayardo et al. 2007): with shingles ordered from the
rarest, two sets with an index of at least the threshold share one of the first ``n - ceil(threshold * n) + 1`` shingles
of each.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import regex

THRESHOLD = 0.8
"""Minimum Jaccard index of two near-duplicates."""
_WORDS, _CHARACTERS = 3, 8
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_NUMBER = regex.compile(r"\p{N}+")
# Texts with fewer words, such as one-word titles or text without spaces, are compared by characters.
_SHORTEST = 2 * _WORDS


def near_duplicates(texts: Sequence[str], others: Sequence[str], threshold: float = THRESHOLD) -> list[int]:
    """The indices of those ``texts`` that are near-duplicates of any of ``others``.

    Shingles are three consecutive words, or eight characters if there are fewer than six words, as in scripts without
    spaces. Case, punctuation and the digits of numbers do not matter: ``libfoo1`` equals ``libfoo2``.
    """
    ours, theirs = list(map(_shingles, texts)), list(map(_shingles, others))
    counts = Counter(shingle for shingles in (*ours, *theirs) for shingle in shingles)
    index: dict[str, list[int]] = defaultdict(list)
    for place, shingles in enumerate(theirs):
        for shingle in _prefix(shingles, counts, threshold):
            index[shingle].append(place)
    return [
        place
        for place, shingles in enumerate(ours)
        if any(
            _jaccard(shingles, theirs[other]) >= threshold
            for other in {other for shingle in _prefix(shingles, counts, threshold) for other in index.get(shingle, ())}
        )
    ]


def _shingles(text: str) -> frozenset[str]:
    words = _WORD.findall(_NUMBER.sub("0", text.casefold()))
    if len(words) >= _SHORTEST:
        return frozenset(" ".join(words[i : i + _WORDS]) for i in range(len(words) - _WORDS + 1))
    whole = " ".join(words)
    return frozenset(whole[i : i + _CHARACTERS] for i in range(max(1, len(whole) - _CHARACTERS + 1)) if whole)


def _prefix(shingles: frozenset[str], counts: Counter[str], threshold: float) -> list[str]:
    size = len(shingles) - math.ceil(threshold * len(shingles)) + 1
    return sorted(shingles, key=lambda shingle: (counts[shingle], shingle))[:size] if shingles else []


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)
