"""Comparison of two systems with a paired bootstrap, and averages over seeds."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from xlgen.core.json_types import JsonMapping
from xlgen.metrics.base import Scores, is_defined
from xlgen.metrics.bootstrap import resampled_means, resampled_sums


@dataclass(frozen=True)
class Difference:
    """The difference of two systems on the same examples, in the unit of their scores."""

    first: float
    second: float
    difference: float
    """``first - second``."""
    low: float | None
    high: float | None
    """The 95 % interval of the difference; None without resamples."""
    p: float | None
    """Two-sided p-value; None without resamples."""
    n: int
    """Number of examples for which both scores are defined."""


def paired_bootstrap(
    first: Scores,
    second: Scores,
    resamples: int = 1000,
    seed: int = 0,
    corpus: Callable[[Scores], float] | None = None,
    of_sums: Callable[[Scores], float] | None = None,
) -> Difference | None:
    """Paired bootstrap of the difference of two means (Koehn 2004, section 3; Efron and Tibshirani 1993).

    Args:
        first: Scores of one system, one per example.
        second: Scores of the other system on the same examples, in the same order. A pair with a NaN is left out.
        resamples: Number of resamples; the interval is the middle 95 % of their differences.
        seed: Resampling seed.
        corpus: Computes the value from all scores, if it is not their mean; slow.
        of_sums: Computes the value from sums; ``first`` and ``second`` are then rows of statistics.

    Returns:
        The difference with ``p = 2 (k + 1) / (r + 1)``, at most 1, where ``k`` of the ``r`` resamples are zero or do
        not have the majority's sign. ``p`` is about 0.05 if the interval ends at zero. None without pairs.
    """
    if len(first) != len(second):
        raise ValueError(f"systems must have the same number of scores, not {len(first)} and {len(second)}")
    both = is_defined(first) & is_defined(second)
    first, second = first[both], second[both]
    if not len(first):
        return None
    if of_sums:
        means = of_sums(first.sum(axis=0)), of_sums(second.sum(axis=0))
        differences = _resampled_sums(first, second, resamples, seed, of_sums)
    elif corpus:
        means = corpus(first), corpus(second)
        differences = _resampled_pairs(first, second, resamples, seed, corpus)
    else:
        means = math.fsum(first) / len(first), math.fsum(second) / len(second)
        differences = resampled_means(first - second, resamples, seed)
    low, high, p = None, None, None
    if resamples:
        low, high = (float(bound) for bound in np.percentile(differences, [2.5, 97.5]))
        p = _p(differences)
    return Difference(*means, means[0] - means[1], low, high, p, len(first))


def _resampled_pairs(
    first: Scores, second: Scores, resamples: int, seed: int, corpus: Callable[[Scores], float]
) -> Scores:
    """Differences of ``corpus`` on resamples of the pairs."""
    random = np.random.default_rng(seed)
    chosen = (random.integers(0, len(first), len(first)) for _ in range(resamples))
    return np.array([corpus(first[rows]) - corpus(second[rows]) for rows in chosen])


def _resampled_sums(
    first: Scores, second: Scores, resamples: int, seed: int, of_sums: Callable[[Scores], float]
) -> Scores:
    """Differences of ``of_sums`` on resamples of the pairs."""
    both = np.hstack([first, second])
    drawn = resampled_sums(both[np.lexsort(both.T)], resamples, seed)
    width = first.shape[1]
    return np.array([of_sums(sums[:width]) - of_sums(sums[width:]) for sums in drawn])


def _p(differences: Scores) -> float:
    """The two-sided p-value: twice the smaller share of resamples on one side of zero; zeros count on both sides."""
    contrary = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    return min(1.0, 2 * (contrary + 1) / (len(differences) + 1))


@dataclass(frozen=True)
class SeedSummary:
    """One value over runs that differ only in their seed."""

    mean: float | None
    sd: float | None
    """Sample standard deviation (n - 1); None for fewer than two seeds."""
    seeds: int


def over_seeds(rows: Iterable[JsonMapping]) -> dict[tuple[Hashable, ...], SeedSummary]:
    """The mean and standard deviation over seeds of each value.

    Args:
        rows: Rows in the form of ``summary.json``. Rows without a value do not count.

    Returns:
        Summaries by ``(backbone, method, learning_rate, step, task, language, metric)``; a missing key is None.

    Raises:
        ValueError: if a seed has the same key twice.
    """
    values: dict[tuple[Hashable, ...], dict[Hashable, float]] = {}
    for row in rows:
        key = tuple(row.get(name) for name in SEED_KEYS)
        seeds = values.setdefault(key, {})
        if row.get("seed") in seeds:
            raise ValueError(f"seed {row.get('seed')} has the value {key} twice")
        if row.get("value") is not None:
            seeds[row.get("seed")] = float(row["value"])
    return {key: _summary(list(seeds.values())) for key, seeds in values.items()}


SEED_KEYS = ("backbone", "method", "learning_rate", "step", "task", "language", "metric")
"""Keys that are equal in rows that differ only in their seed."""


def _summary(values: list[float]) -> SeedSummary:
    if not values:
        return SeedSummary(None, None, 0)
    sd = statistics.stdev(values) if len(values) > 1 else None
    return SeedSummary(statistics.fmean(values), sd, len(values))
