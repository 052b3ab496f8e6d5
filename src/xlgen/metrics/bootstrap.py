"""The bootstrap of a mean, quick for a million scores (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlgen.metrics.base import Scores

# Counts are drawn in blocks of about this many (32 MB).
_BLOCK = 4_000_000
# So many scores are told apart; of more, so many at each end.
_DISTINCT, _ENDS = 1_000, 250


def interval(
    scores: Scores,
    resamples: int,
    seed: int,
    scale: float = 1.0,
    corpus: Callable[[Scores], float] | None = None,
    of_sums: Callable[[Scores], float] | None = None,
) -> tuple[float | None, float | None]:
    """The 95 % percentile bootstrap interval of the mean of ``scores``, of ``corpus(scores)``, or of what ``of_sums``
    gives for the sums of rows of statistics; ``scores`` hold no NaN.

    The order of the scores does not show in it. (None, None) without resamples or scores.
    """
    if not resamples or not len(scores):
        return None, None
    if of_sums:
        drawn = resampled_sums(scores[np.lexsort(scores.T)], resamples, seed)
        low, high = np.percentile([of_sums(sums) for sums in drawn], [2.5, 97.5])
        return float(low * scale), float(high * scale)
    if scores.min() == scores.max():  # every resample is the same; saves the work and its rounding
        value = corpus(scores) if corpus else scores[0]
        return float(value * scale), float(value * scale)
    values = resampled(scores, resamples, seed, corpus) if corpus else resampled_means(scores, resamples, seed)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low * scale), float(high * scale)


def resampled(scores: Scores, resamples: int, seed: int, corpus: Callable[[Scores], float]) -> Scores:
    """A figure of all scores together, on resamples with replacement. Slow, for the figure is asked for each."""
    random = np.random.default_rng(seed)
    ordered = np.sort(scores)
    return np.array([corpus(random.choice(ordered, len(ordered))) for _ in range(resamples)])


def resampled_sums(rows: Scores, resamples: int, seed: int) -> Scores:
    """The sums of resamples of ``rows`` with replacement, (resamples, statistics)."""
    random = np.random.default_rng(seed)
    counts = (np.bincount(random.integers(0, len(rows), len(rows)), minlength=len(rows)) for _ in range(resamples))
    return np.array([drawn @ rows for drawn in counts])


def resampled_means(scores: Scores, resamples: int, seed: int) -> Scores:
    """The means of resamples of ``scores`` with replacement.

    A resample is a count for each distinct score, from the multinomial distribution: the same as drawing scores one by
    one, and quick where many are alike. Of more than 1,000 distinct scores, those between the 250 lowest and the 250
    highest are taken together with their neighbours in 500 groups; how many scores come from each is drawn exactly, and
    their mean as normal, with the group's mean and variance. Mean and variance stay those of drawing one by one.
    """
    if not len(scores):
        return np.empty(0)
    means, variances, sizes = _groups(scores)
    # Two streams, so that the size of the blocks does not show.
    random, gauss = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    rows = max(1, _BLOCK // len(sizes))
    found = []
    for start in range(0, resamples, rows):
        counts = random.multinomial(len(scores), sizes / len(scores), size=min(rows, resamples - start))
        noise = gauss.standard_normal(len(counts)) * np.sqrt(counts @ variances)
        found.append((counts @ means + noise) / len(scores))
    return np.concatenate(found) if found else np.empty(0)


def _groups(scores: Scores) -> tuple[Scores, Scores, Scores]:
    """Mean, variance and size of each group: the distinct scores, or neighbours taken together."""
    values, counts = np.unique(scores, return_counts=True)
    if len(values) <= _DISTINCT:
        return values, np.zeros(len(values)), counts.astype(float)
    ordered = np.sort(scores)
    middle = np.linspace(_ENDS, len(ordered) - _ENDS, _DISTINCT - 2 * _ENDS, endpoint=False, dtype=int)
    starts = np.concatenate([np.arange(_ENDS), middle, np.arange(len(ordered) - _ENDS, len(ordered))])
    sizes = np.diff(starts, append=len(ordered)).astype(float)
    means = np.add.reduceat(ordered, starts) / sizes
    variances = np.add.reduceat((ordered - np.repeat(means, sizes.astype(int))) ** 2, starts) / sizes
    return means, variances, sizes
