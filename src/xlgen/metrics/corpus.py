"""sacreBLEU's corpus scores, computed from statistics of each example summed over all examples (Post 2018)."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from importlib.metadata import version
from types import ModuleType
from typing import Protocol

import numpy as np

from xlgen.metrics.base import Example, Scores

# The last statistic of an example is its number of references, which is part of the signature.
_REFERENCES = -1


class _Signature(Protocol):
    def format(self) -> str: ...


class _Score(Protocol):
    score: float


class CorpusScorer(Protocol):
    """What is used of sacreBLEU's metrics."""

    num_refs: int

    def get_signature(self) -> _Signature:
        """The signature, with :attr:`num_refs` references."""
        ...

    def _extract_corpus_statistics(
        self, hypotheses: Sequence[str], references: Sequence[Sequence[str]]
    ) -> Sequence[Sequence[float]]: ...

    def _compute_score_from_stats(self, stats: list[float]) -> _Score: ...


def sacrebleu() -> ModuleType:
    """sacreBLEU's module of metrics, imported late."""
    from sacrebleu import metrics

    return metrics


def sacrebleu_version() -> str:
    """The installed version, for signatures."""
    return version("sacrebleu")


def statistics(examples: Sequence[Example], scorer_of: Callable[[str], CorpusScorer], width: int) -> Scores:
    """sacreBLEU's statistics of each example against all its references, (examples, ``width`` + 1).

    The last column is the number of references. An example without references has a row of NaN. ``scorer_of`` returns
    the scorer of a language.
    """
    rows = np.full((len(examples), width + 1), np.nan)
    for row, example in zip(rows, examples, strict=True):
        if example.references:
            # The statistics that corpus_score() adds up; sacreBLEU has no public function for them.
            streams = [[reference] for reference in example.references]
            [found] = scorer_of(example.language)._extract_corpus_statistics([example.prediction], streams)
            row[:_REFERENCES], row[_REFERENCES] = found, len(example.references)
    return rows


def score_of(scorer: CorpusScorer, sums: Scores) -> float:
    """The scorer's score from sums of :func:`statistics`, as a share of 1."""
    counts: list[float] = [int(value) if float(value).is_integer() else float(value) for value in sums[:_REFERENCES]]
    return float(scorer._compute_score_from_stats(counts).score) / 100


def corpus_signature(scorer: CorpusScorer, scores: Scores | None) -> str:
    """sacreBLEU's signature, with the number of references if ``scores`` from :func:`statistics` are given."""
    counts = set() if scores is None else {int(count) for count in scores[:, _REFERENCES] if not math.isnan(count)}
    scorer.num_refs = counts.pop() if len(counts) == 1 else -1
    signature = str(scorer.get_signature().format())
    return signature if scores is not None else signature.partition("|")[2]


@cache
def once(make: Callable[..., CorpusScorer], *options: Hashable) -> CorpusScorer:
    """The scorer ``make(*options)``, created once per process."""
    return make(*options)
