"""The report as one HTML page that needs nothing beside itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from xlgen import __version__
from xlgen.report.beside import beside_table, parts, protocol_table
from xlgen.report.choices import choice_tables
from xlgen.report.formats import MARKS
from xlgen.report.plots import Plot, all_plots
from xlgen.report.samples import RunSamples, best_run, choose_samples, identifier
from xlgen.report.tables import (
    FAIR,
    GOOD,
    LANGUAGE_RATE,
    Table,
    grade,
    languages_table,
    metric_name,
    runs_table,
    verdict_table,
    without_repetition,
)
from xlgen.results.rows import MEAN, Results
from xlgen.results.runs import labels

# How the headline goes on after the best run's score.
_VERDICTS = {
    "good": "it writes in the right language",
    "fair": "but it strays into another language at times",
    "poor": "but much of its output is in the wrong language",
}


@dataclass(frozen=True)
class Section:
    """All about the runs on one task."""

    task: str
    headline: str
    verdict: Table
    languages: list[Table]
    """Each run's table of languages."""
    choices: list[Table]
    """Of learning rates and checkpoints, where there are several."""
    plots: list[Plot]
    beside: list[Table]
    """Ours beside the published numbers: averages, single languages, and what differs; empty tables are left out."""
    samples: list[RunSamples]
    labels: dict[str, str]


def render(results: Results, title: str) -> str:
    """The page."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["svg"] = Markup  # the plots are our own markup; everything else is escaped
    template = resources.files("xlgen").joinpath("report/page.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=title,
        version=__version__,
        runs=runs_table(results),
        sections=_sections(results),
        marks=MARKS,
        good=GOOD,
        fair=FAIR,
        identifies=identifier() is not None,
    )


def _sections(results: Results) -> list[Section]:
    tasks = dict.fromkeys(run.task for run in results.runs if run.figures)
    return [_section(_of_task(results, task), task or "evaluation") for task in tasks]


def _section(results: Results, task: str) -> Section:
    return Section(
        task=task,
        headline=headline(results),
        verdict=without_repetition(verdict_table(results)),
        languages=_by_run(languages_table(results)),
        choices=[without_repetition(table) for table in choice_tables(results)],
        plots=all_plots(results),
        beside=[without_repetition(table) for table in _beside(results) if table.rows],
        samples=choose_samples(results),
        labels=labels(results.runs),
    )


def headline(results: Results) -> str:
    """What the study found, in a sentence or two."""
    best = best_run(results)
    if best is None:
        return "No run has figures of its task yet."
    name = metric_name(best.main_metric)
    score, source = results.value(best, MEAN, best.main_metric), results.source_value(best, best.main_metric)
    rate = results.value(best, MEAN, LANGUAGE_RATE)
    if score is None:
        return f"Best run: {labels(results.runs)[best.name]}, {name} {source:.1f} in its source language."
    text = f"Best in the languages without labels: {labels(results.runs)[best.name]}, {name} {score:.1f}"
    text += f" (source language {source:.1f})" if source is not None else ""
    return f"{text}; {_VERDICTS[grade(rate)]} (right language {rate:.1f} %)." if rate is not None else f"{text}."


def _of_task(results: Results, task: str | None) -> Results:
    runs = tuple(run for run in results.runs if run.task == task and run.figures)
    names = {run.name for run in runs}
    return Results(runs, tuple(row for row in results.rows if row["run"] in names))


def _beside(results: Results) -> list[Table]:
    averages, single = parts(beside_table(results))
    return [averages, replace(single, title="Language by language"), protocol_table(results)]


def _by_run(table: Table) -> list[Table]:
    """One table for each run, whose title is the run's label and the metric."""
    found: dict[str, list[Any]] = {}
    for row in table.rows:
        found.setdefault(row["run"].value, []).append(row)
    columns = tuple(column for column in table.columns if column.key != "run")
    return [without_repetition(Table(table.name, run, columns, tuple(rows))) for run, rows in found.items()]
