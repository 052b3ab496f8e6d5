"""Right content in the wrong language? A run's translated outputs, compared with the best learning rate for other
languages (Chirkova et al. 2023, Table 1)."""

from __future__ import annotations

from pathlib import Path

from xlgen.core.tables import Column, Table, TableCell
from xlgen.experiments.choices import searches
from xlgen.report.tables import LANGUAGE_RATE, metric_name
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import Run, labels, rate_text

BASELINE = "translate-outputs"


def translated_table(results: Results) -> Table:
    """One row per run with translated outputs, at the last evaluation: the scores as generated and translated, and
    the score at the learning rate that is best, all averaged over the languages without labels."""
    columns = (
        Column("run", "Run", number=False),
        Column("backbone", "Model", number=False),
        Column("metric", "Metric", metric_name, number=False),
        Column("learning_rate", "Learning rate", rate_text),
        Column("source", "Source language", _one_digit),
        Column("language_rate", "Right language (%)", _one_digit),
        Column("direct", "Other languages", _one_digit),
        Column("translated", "Translated", _one_digit),
        Column("translated_rate", "Right language, translated (%)", _one_digit),
        Column("best_rate", "Best rate for others", rate_text),
        Column("best", "Score at that rate", _one_digit),
    )
    by_name = {run.name: run for run in results.runs}
    rows = []
    for run in results.runs:
        baseline = run.recipe.get("baseline") or {}
        of = by_name.get(Path(str(baseline.get("run", ""))).name)
        if baseline.get("name") == BASELINE and of is not None and run.figures and of.figures:
            rows.append(_row(results, run, of))
    return Table("translated", "Right content in the wrong language?", columns, tuple(rows))


def _row(results: Results, run: Run, of: Run) -> dict[str, TableCell]:
    metric = of.main_metric
    best = _best_for_others(results, of)
    return {
        "run": TableCell(labels(results.runs)[of.name]),
        "backbone": TableCell(of.backbone),
        "metric": TableCell(metric),
        "learning_rate": TableCell(of.learning_rate),
        "source": TableCell(results.source_value(of, metric)),
        "language_rate": TableCell(results.value(of, MEAN, LANGUAGE_RATE)),
        "direct": TableCell(results.value(of, MEAN, metric)),
        "translated": TableCell(results.value(run, MEAN, metric)),
        "translated_rate": TableCell(results.value(run, MEAN, LANGUAGE_RATE)),
        "best_rate": TableCell(best.learning_rate),
        "best": TableCell(results.value(best, MEAN, metric)),
    }


def _best_for_others(results: Results, of: Run) -> Run:
    """The best run in the languages without labels among those that differ from ``of`` only in the learning rate."""
    group = next((group for group in searches(results) if of in group), [of])
    scores = {run.name: results.value(run, MEAN, run.main_metric) for run in group}
    return max(group, key=lambda run: -1.0 if scores[run.name] is None else float(scores[run.name] or 0.0))


def _one_digit(value: float) -> str:
    return f"{value:.1f}"
