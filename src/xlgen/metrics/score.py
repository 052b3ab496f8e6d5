"""From examples to figures: one mean a figure, with a bootstrap interval, the number of examples and a signature."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from xlgen import __version__
from xlgen.languages import Language
from xlgen.metrics.base import Example, Figure, Metric, Scores, plugins
from xlgen.registry import UnknownNameError, nearest

# The bootstrap's resamples are drawn in blocks of about this many indices (32 MB), however large the evaluation set.
_BLOCK = 4_000_000


@dataclass(frozen=True)
class Row:
    """One figure of one language: the part of a row that does not depend on the task."""

    language: str
    metric: str
    value: float | None
    """None when no example defines the figure."""
    low: float | None
    high: float | None
    """The 95 % interval; None without bootstrap."""
    n: int
    """How many examples define the figure."""
    signature: str


def score(
    examples: Sequence[Example],
    metrics: Sequence[str | Metric],
    language: str,
    bootstrap: int = 1000,
    seed: int = 0,
) -> list[Row]:
    """The figures of one language's examples: the mean of the per-example scores, rates and scores in percent.

    Args:
        examples: All in ``language``. Their order changes nothing, the intervals included.
        metrics: Names of metrics (``rouge``: all its figures), of single figures (``rougeL``), or metrics with options
            of their own (``Rouge(use_stemmer=True)``).
        language: In any spelling that ``Language.parse`` knows; the rows hold its canonical code.
        bootstrap: Number of resamples for the intervals; 0 leaves them out.
        seed: Of the resamples.

    Raises:
        UnknownNameError: for a metric or a language that does not exist.
        ValueError: for an example in another language.
    """
    code = Language.parse(language).code
    _check_language(examples, code)
    rows = []
    for metric, figures in choose(metrics):
        scores = metric.per_example(examples)
        for figure in figures:
            defined = scores[figure.name][~np.isnan(scores[figure.name])]
            low, high = interval(defined, bootstrap, seed, figure.scale)
            # fsum rounds once, so that the order of the examples does not show in the last digit.
            value = math.fsum(defined) / len(defined) * figure.scale if len(defined) else None
            rows.append(Row(code, figure.name, value, low, high, len(defined), signature(metric, figure, code)))
    return rows


def choose(metrics: Sequence[str | Metric]) -> Iterator[tuple[Metric, list[Figure]]]:
    """Each metric that is asked for, once, with the figures wanted of it.

    Raises:
        UnknownNameError: for a name that is neither a metric's nor a figure's.
    """
    owners = {figure.name: name for name in plugins.names() for figure in plugins.get(name).figures}
    wanted: dict[str | Metric, dict[str, Figure]] = {}
    for asked in metrics:
        if not isinstance(asked, str):
            wanted[asked] = {figure.name: figure for figure in asked.figures}
            continue
        owner = owners.get(asked, asked)
        if owner not in plugins.names():
            raise UnknownNameError(f"unknown metric {asked!r}: {nearest(asked, {*owners, *plugins.names()})}")
        figures = [figure for figure in plugins.get(owner).figures if asked in (figure.name, owner)]
        wanted.setdefault(owner, {}).update({figure.name: figure for figure in figures})
    for key, chosen in wanted.items():
        yield (plugins.get(key)() if isinstance(key, str) else key), list(chosen.values())


def signature(metric: Metric, figure: Figure, language: str) -> str:
    """All that decides a figure, in the way of sacreBLEU: ``rougeL|tok:unicode-words|stem:no|xlgen:0.1.0``."""
    return "|".join(filter(None, [figure.name, metric.signature(language), f"xlgen:{__version__}"]))


def interval(scores: Scores, resamples: int, seed: int, scale: float = 1.0) -> tuple[float | None, float | None]:
    """The 95 % percentile bootstrap interval of the mean of ``scores``, which holds no NaN (Efron 1979).

    Resamples are drawn from the sorted scores, so that the order of the examples does not show in the interval.
    (None, None) without resamples or scores.
    """
    if not resamples or not len(scores):
        return None, None
    ordered = np.sort(scores)
    if ordered[0] == ordered[-1]:  # every resample is the same; saves the work and its rounding
        return float(ordered[0] * scale), float(ordered[0] * scale)
    random = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(ordered))
    blocks = [min(rows, resamples - start) for start in range(0, resamples, rows)]
    # The mean of each resample.                                                       (block, n) -> (block,)
    means = [ordered[random.integers(len(ordered), size=(block, len(ordered)))].mean(axis=1) for block in blocks]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return float(low * scale), float(high * scale)


def _check_language(examples: Sequence[Example], code: str) -> None:
    for spelling in {example.language for example in examples}:
        if (other := Language.parse(spelling).code) != code:
            raise ValueError(f"an example is in {other!r} where all must be in {code!r}; score each language by itself")
