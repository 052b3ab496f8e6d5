"""Does XLRS go with the score? Spearman's rank correlation of the two over checkpoints and languages (L, Table 4).

Reads what runs measured while training: XLRS (a task with ``parallel: true``, or ``evaluation.xlrs``) and the metric of
the same evaluations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from xlgen.core.registry import InputError, nearest
from xlgen.metrics.xlrs import definition
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import Run

XLRS = "xlrs"
POOLED = "pooled"
ALL = "all"

Point = tuple[float, float]
"""XLRS and the metric of one checkpoint in one language, or on average."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho of XLRS and a metric."""

    task: str
    backbone: str
    run: str
    """A run's name, or ``all``: the checkpoints of all runs of the task and backbone together."""
    metric: str
    language: str
    """A target language; ``mean-non-source``, the means over the target languages of each checkpoint, as in L's Table
    4; or ``pooled``: every checkpoint in every language is a point."""
    rho: float | None
    """In [-1, 1]; None where there are fewer than three points, or one side does not vary."""
    p: float | None
    """Two-sided, by Student's t as scipy has it. Checkpoints of one run depend on one another, so that it is too small
    rather than too large; L does not say how it was found."""
    n: int
    """Points."""


def spearman(points: Sequence[Point]) -> tuple[float | None, float | None]:
    """Spearman's rank correlation and its p-value by ``scipy.stats.spearmanr``; None and None where not defined."""
    from scipy.stats import spearmanr

    left, right = zip(*points, strict=True) if points else ((), ())
    if len(points) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None, None
    found = spearmanr(left, right)
    return float(found.statistic), float(found.pvalue)


def xlrs_correlations(results: Results, metric: str | None = None, by_run: bool = False) -> list[RankCorrelation]:
    """The correlation over the checkpoints of each task and backbone: each target language, their mean, and pooled.

    Args:
        results: Of :func:`xlgen.runs.rows.load`.
        metric: None takes each task's main one.
        by_run: Each run by itself too.

    Raises:
        InputError: for a metric that no run has, or XLRS itself; where no evaluation has both figures in one language.
    """
    if metric is not None:
        _check_metric(metric, results)
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in results.runs:
        if run.figures:
            groups.setdefault((run.task or "", run.backbone), []).append(run)
    found = []
    for (task, backbone), runs in groups.items():
        name = metric or runs[0].main_metric
        parts = {ALL: runs, **({run.name: [run] for run in runs} if by_run and len(runs) > 1 else {})}
        _check_definition(task, runs)
        for label, members in parts.items():
            for language, points in _points(results, members, name).items():
                rho, p = spearman(points)
                found.append(RankCorrelation(task, backbone, label, name, language, rho, p, len(points)))
    if not found:
        raise InputError(
            f"no evaluation has both XLRS and {metric or 'its main metric'} in a language without labels. XLRS is "
            "measured for tasks of text with `parallel: true`, and for any other, heads too, with `evaluation.xlrs`"
        )
    return found


def _check_definition(task: str, runs: Iterable[Run]) -> None:
    """Raise InputError where XLRS is not of the same texts in all runs: such scores have no common rank."""
    measured = (figure for run in runs for figure in run.figures if figure["metric"] == XLRS)
    texts = {definition(str(figure.get("signature") or "")) for figure in measured}
    if len(texts) > 1:
        one, other, *_ = sorted("|".join(parts) or "texts that are not named" for parts in texts)
        raise InputError(
            f"XLRS of {task or 'these runs'} is measured on different texts ({one}; {other}); correlate runs with the "
            "same `evaluation.xlrs`"
        )


def _check_metric(metric: str, results: Results) -> None:
    known = {figure["metric"] for run in results.runs for figure in run.figures} - {XLRS}
    if metric == XLRS:
        raise InputError(f"XLRS is what metrics are correlated with; name one: {', '.join(sorted(known))}")
    if known and metric not in known:
        raise InputError(f"no run has the metric {metric!r}: {nearest(metric, known)}")


def _points(results: Results, runs: Iterable[Run], metric: str) -> Mapping[str, Sequence[Point]]:
    """By language, in the order of evaluation; then the means and all together. Empty where nothing has both."""
    found: dict[str, list[Point]] = {}
    means: list[Point] = []
    for run in runs:
        codes = [code for code in results.languages([run]) if code not in run.source_languages]
        for step in dict.fromkeys(figure["step"] for figure in run.figures):
            here = [
                (code, (x, y))
                for code in codes
                if (x := results.value(run, code, XLRS, step)) is not None
                and (y := results.value(run, code, metric, step)) is not None
            ]
            for code, point in here:
                found.setdefault(code, []).append(point)
            if here:
                means.append((_mean(x for _, (x, _) in here), _mean(y for _, (_, y) in here)))
    pooled = [point for points in found.values() for point in points]
    return {MEAN: means, POOLED: pooled, **found} if found else {}


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers)
