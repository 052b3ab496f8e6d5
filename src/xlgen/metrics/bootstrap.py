"""Bootstrap intervals of a mean, fast for a million scores (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from xlgen.metrics.base import Scores

# Number of counts drawn at once (32 MB).
_BLOCK = 4_000_000
# Up to 1,000 distinct scores are kept apart. With more, only the 250 lowest and the 250 highest are.
_DISTINCT, _ENDS = 1_000, 250


def interval(
    scores: Scores,
    resamples: int,
    seed: int,
    scale: float = 1.0,
    corpus: Callable[[Scores], float] | None = None,
    of_sums: Callable[[Scores], float] | None = None,
) -> tuple[float | None, float | None]:
    """The 95 % percentile bootstrap interval of a value; it does not depend on the order of the scores.

    The value is the mean of ``scores``, ``corpus(scores)``, or ``of_sums`` of the summed rows of statistics.

    Args:
        scores: Scores of examples, or rows of statistics for ``of_sums``; without NaN.
        resamples: Number of resamples; 0 for no interval.
        seed: Resampling seed.
        scale: Factor of both bounds.
        corpus: Computes the value from all scores, if it is not their mean.
        of_sums: Computes the value from the sums of statistics.

    Returns:
        The lower and the upper bound; (None, None) without resamples or scores.
    """
    if not resamples or not len(scores):
        return None, None
    if of_sums:
        drawn = resampled_sums(scores[np.lexsort(scores.T)], resamples, seed)
        low, high = np.percentile([of_sums(sums) for sums in drawn], [2.5, 97.5])
        return float(low * scale), float(high * scale)
    if scores.min() == scores.max():  # all resamples are equal: skip the work and its rounding
        value = corpus(scores) if corpus else scores[0]
        return float(value * scale), float(value * scale)
    values = resampled(scores, resamples, seed, corpus) if corpus else resampled_means(scores, resamples, seed)
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low * scale), float(high * scale)


def resampled(scores: Scores, resamples: int, seed: int, corpus: Callable[[Scores], float]) -> Scores:
    """``corpus`` of resamples of ``scores`` with replacement. Slow, since ``corpus`` is called for each resample."""
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

    A resample is drawn as a count for each distinct score, from the multinomial distribution. This equals drawing
    scores one by one, and is fast if many scores are equal. With more than 1,000 distinct scores, those between the 250
    lowest and the 250 highest are merged into 500 groups of neighbors. The count of each group is then drawn exactly,
    and the mean of its scores from a normal distribution with the group's mean and variance. This keeps the mean and
    variance of drawing one by one.
    """
    if not len(scores):
        return np.empty(0)
    means, variances, sizes = _groups(scores)
    # Two random streams, so that the result does not depend on the block size.
    random, gauss = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    rows = max(1, _BLOCK // len(sizes))
    found = []
    for start in range(0, resamples, rows):
        counts = random.multinomial(len(scores), sizes / len(scores), size=min(rows, resamples - start))
        noise = gauss.standard_normal(len(counts)) * np.sqrt(counts @ variances)
        found.append((counts @ means + noise) / len(scores))
    return np.concatenate(found) if found else np.empty(0)


def _groups(scores: Scores) -> tuple[Scores, Scores, Scores]:
    """Mean, variance and size of each group: a distinct score, or several neighboring scores."""
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
