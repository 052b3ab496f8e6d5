"""Spearman's rank correlation of XLRS and a metric over checkpoints and languages (Li and Murray 2023, Table 4).

Reads the evaluations that runs recorded during training. XLRS needs a task with ``parallel: true``, or
``evaluation.xlrs``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from xlgen.analysis.rows import AnalysisRows
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError, nearest
from xlgen.core.tables import Table, number_column, text_table
from xlgen.metrics.xlrs import definition
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import Run, short_backbone

XLRS = "xlrs"
POOLED = "pooled"
ALL = "all"

Point = tuple[float, float]
"""XLRS and the metric of one checkpoint in one language, or on average."""


@dataclass(frozen=True)
class RankCorrelation:
    """Spearman's rho between XLRS and a metric."""

    task: str
    backbone: str
    run: str
    """A run's name, or ``all``: the checkpoints of all runs of the task and backbone together."""
    metric: str
    language: str
    """A target language; ``mean-non-source`` for each checkpoint's means over the target languages, as in Table 4 of Li
    and Murray (2023); or ``pooled``, where every checkpoint in every language is a point."""
    rho: float | None
    """In [-1, 1]; None if there are fewer than three points, or either variable is constant."""
    p: float | None
    """Two-sided p-value from Student's t distribution, as in scipy. Checkpoints of one run are not independent, so it
    tends to be too small. Li and Murray (2023) do not state how theirs was computed."""
    n: int
    """Number of points."""


def spearman(points: Sequence[Point]) -> tuple[float | None, float | None]:
    """Spearman's rank correlation and its p-value from ``scipy.stats.spearmanr``; both None if undefined."""
    from scipy.stats import spearmanr

    left, right = zip(*points, strict=True) if points else ((), ())
    if len(points) < 3 or len(set(left)) < 2 or len(set(right)) < 2:
        return None, None
    found = spearmanr(left, right)
    return float(found.statistic), float(found.pvalue)


def xlrs_correlations(results: Results, metric: str | None = None, by_run: bool = False) -> list[RankCorrelation]:
    """The correlations over the checkpoints of each task and backbone: by target language, of means, and pooled.

    Args:
        results: Results from :func:`xlgen.runs.rows.load_results`.
        metric: If None, each task's main metric.
        by_run: Whether to add the correlations within each run.

    Raises:
        InputError: if no run has the metric, it is XLRS itself, or no evaluation has both values in one language.
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
            "measured for text tasks with `parallel: true`, and for any task, heads included, with `evaluation.xlrs`"
        )
    return found


def correlation_rows(found: Iterable[RankCorrelation]) -> list[JsonObject]:
    """One row per group of checkpoints and language."""
    return [{"analysis": "correlation", **asdict(each)} for each in found]


def correlation_tables(rows: AnalysisRows) -> list[Table]:
    """The table of saved rows."""
    lines = []
    for row in rows:
        values = (row["task"], short_backbone(row["backbone"]), row["run"], row["metric"], row["language"])
        star = "*" if row["p"] is not None and row["p"] < 0.05 else ""
        p = "–" if row["p"] is None else f"{row['p']:.2g}"
        lines.append([*values, "–" if row["rho"] is None else f"{row['rho']:.2f}{star}", p, str(row["n"])])
    names = ["task", "backbone", "runs", "metric", "language"]
    title = "Rank correlation of XLRS with the metric (* p < 0.05)"
    return [text_table("correlation", title, [*names, *map(number_column, ("ρ", "p", "n"))], lines)]


def _check_definition(task: str, runs: Iterable[Run]) -> None:
    """Raise InputError if the runs measured XLRS on different texts, because such scores cannot be ranked together."""
    measured = (row for run in runs for row in run.figures if row["metric"] == XLRS)
    texts = {definition(str(row.get("signature") or "")) for row in measured}
    if len(texts) > 1:
        one, other, *_ = sorted("|".join(parts) or "unnamed texts" for parts in texts)
        raise InputError(
            f"XLRS of {task or 'these runs'} is measured on different texts ({one}; {other}); correlate runs with the "
            "same `evaluation.xlrs`"
        )


def _check_metric(metric: str, results: Results) -> None:
    known = {figure["metric"] for run in results.runs for figure in run.figures} - {XLRS}
    if metric == XLRS:
        raise InputError(f"XLRS cannot be correlated with itself; choose a metric: {', '.join(sorted(known))}")
    if known and metric not in known:
        raise InputError(f"no run has the metric {metric!r}: {nearest(metric, known)}")


def _points(results: Results, runs: Iterable[Run], metric: str) -> Mapping[str, Sequence[Point]]:
    """The points of the means, of all languages together, and by language; empty if no evaluation has both values."""
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
