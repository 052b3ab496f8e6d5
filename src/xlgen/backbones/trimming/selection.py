"""Choose the tokens to keep, from the number of occurrences of each in every language."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from xlgen.backbones.trimming.vocabulary import TrimError, Vocabulary
from xlgen.core.arguments import argument

DEFAULT_COVERAGE = 0.9999
"""The share of all occurrences that the kept tokens have if nothing else is asked for."""
Counts = Mapping[str, NDArray[np.int64]]
"""Occurrences of each id in a corpus, by language."""


def select(
    vocabulary: Vocabulary, counts: Counts, *, keep: int | None, coverage: float | None, also: Iterable[int] = ()
) -> list[int]:
    """The ids to keep, in ascending order.

    The required tokens, ``also``, and the single characters of the corpus come first. Then either ``coverage`` decides:
    in every language, tokens are kept from the most frequent on until they are this share of all occurrences. Or
    ``keep`` does: tokens are kept by their mean share of the occurrences over languages, so that a small corpus counts
    as much as a large one; if the corpus has fewer tokens, others follow in the order of the vocabulary, which is that
    of frequency in the tokenizer's own training. Equally frequent tokens are kept in the order of the vocabulary.

    Raises TrimError if ``keep`` is too small or larger than the vocabulary.
    """
    chosen = _Chosen(vocabulary)
    chosen.add_all(vocabulary.required() | set(also))
    used = sorted({int(index) for each in counts.values() for index in np.flatnonzero(each)})
    for index in used:
        chosen.add_all(vocabulary.letters(index))
    least = len(chosen.ids)
    if keep is None:
        for code in sorted(counts):
            _cover(chosen, counts[code], DEFAULT_COVERAGE if coverage is None else coverage)
    elif not least <= keep <= len(vocabulary.names):
        raise TrimError(
            f"{argument('keep')} is {keep:,}, and must be from {least:,}, the number of special tokens and of single "
            f"characters of the corpus, to {len(vocabulary.names):,}, the size of the vocabulary"
        )
    else:
        shares = np.sum([each / max(1, each.sum()) for each in counts.values()], axis=0)
        for index in [*by_frequency(shares), *sorted(vocabulary.names)]:
            chosen.add_within(index, keep)
            if len(chosen.ids) == keep:
                break
    return sorted(chosen.ids)


def _cover(chosen: _Chosen, counts: NDArray[np.int64], share: float) -> None:
    """Add the most frequent tokens of a language until those kept are ``share`` of its occurrences."""
    wanted, covered = share * counts.sum(), int(counts[list(chosen.ids)].sum())
    for index in by_frequency(counts):
        if covered >= wanted:
            return
        covered += int(counts[list(chosen.add_all([index]))].sum())


def by_frequency(counts: NDArray[np.int64] | NDArray[np.float64]) -> list[int]:
    """The ids that occur, the most frequent first, and equally frequent ones in ascending order."""
    order = np.argsort(-counts, kind="stable")
    return [int(index) for index in order[: np.count_nonzero(counts)]]


class _Chosen:
    """A growing set of ids, each with its closure."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.ids: set[int] = set()
        self._vocabulary = vocabulary

    def add_all(self, ids: Iterable[int]) -> set[int]:
        """Add ids with their closures. Returns those that are new."""
        new = {each for index in ids if index not in self.ids for each in self._vocabulary.closure(index)} - self.ids
        self.ids |= new
        return new

    def add_within(self, index: int, most: int) -> None:
        """Add an id and its closure, unless there would be more than ``most``."""
        new = set() if index in self.ids else self._vocabulary.closure(index) - self.ids
        if len(self.ids) + len(new) <= most:
            self.ids |= new
