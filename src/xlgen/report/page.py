"""The report as one self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from xlgen.core.tables import Table, TableCell
from xlgen.core.version import VERSION
from xlgen.report.analyses import Analysis
from xlgen.report.choices import NO_REGRET
from xlgen.report.drawing import Palette, Plot
from xlgen.report.formats import MARKS
from xlgen.report.groups import is_large, settings
from xlgen.report.plots import all_plots
from xlgen.report.published_comparison import parts
from xlgen.report.report_tables import ReportTables
from xlgen.report.samples import FAULTS, PER_PAGE, RunSamples, best_run, choose_samples, identifier
from xlgen.report.tables import (
    FAIR,
    GOOD,
    LANGUAGE_RATE,
    REFERENCE_RATE,
    grade,
    metric_name,
    without_repetition,
)
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import labels

# How the headline continues after the best run's score.
_VERDICTS = {
    "good": "it writes in the right language",
    "fair": "but it strays into another language at times",
    "poor": "but much of its output is in the wrong language",
}


@dataclass(frozen=True)
class Section:
    """The contents of the page for the runs on one task."""

    task: str
    headline: str
    large: bool
    """Whether there are too many runs to show each one."""
    methods: Table
    verdict: Table
    languages: list[Table]
    """Each run's table of languages; in a large study, only of the runs that target labels choose."""
    faults: list[Table]
    """The same for faults."""
    regret: Table
    choices: list[Table]
    """Choices of learning rates and checkpoints, if there are several."""
    plots: list[Plot]
    published: list[Table]
    """Our scores next to the published ones: averages, single languages, and the differences. No empty tables."""
    samples: list[RunSamples]
    labels: dict[str, str]

    @property
    def sampled(self) -> dict[tuple[str, str], None]:
        """Code and name of the languages whose predictions are shown."""
        return dict.fromkeys((found.code, found.name) for shown in self.samples for found in shown.languages)

    @property
    def shown(self) -> int:
        """The number of predictions shown."""
        return sum(len(found.samples) for shown in self.samples for found in shown.languages)

    @property
    def total(self) -> int:
        """The number of predictions in all."""
        return sum(found.total for shown in self.samples for found in shown.languages)


def render(tables: ReportTables, title: str, analyses: Sequence[Analysis] = ()) -> str:
    """Render the page as HTML."""
    results = tables.results
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=PackageLoader("xlgen", "report"),
    )
    environment.filters["svg"] = Markup  # the plots are our own markup; everything else is escaped
    return environment.get_template("page.html").render(
        title=title,
        version=VERSION,
        runs=tables.runs,
        damaged=results.faults,
        many=is_large(results),
        faults=FAULTS,
        sections=_sections(tables),
        analyses=analyses,
        marks=MARKS,
        no_regret=NO_REGRET,
        good=GOOD,
        fair=FAIR,
        identifies=any(identifier(run) is not None for run in results.runs),
    )


def _sections(tables: ReportTables) -> list[Section]:
    palette, tasks = Palette.of(tables.results.runs), tables.by_task()
    return [_section(of_task, palette, PER_PAGE // len(tasks)) for of_task in tasks]


def _section(tables: ReportTables, palette: Palette, predictions: int) -> Section:
    results = tables.results
    large = is_large(results)
    shown = {run.name for line in settings(results) for run in line.runs} if large else set(labels(results.runs))
    names = labels(results.runs)
    kept = {names[name] for name in shown}
    return Section(
        task=results.runs[0].task or "evaluation",
        headline=headline(results),
        large=large,
        methods=without_repetition(tables.methods),
        verdict=without_repetition(tables.verdict),
        languages=_by_run(tables.languages, kept),
        faults=_by_run(tables.faults, kept),
        regret=without_repetition(tables.regret),
        choices=[without_repetition(table) for table in tables.choices],
        plots=all_plots(results, palette),
        published=[without_repetition(table) for table in _published(tables) if table.rows],
        samples=choose_samples(results, predictions),
        labels=names,
    )


def headline(results: Results) -> str:
    """The main result of the study, in one or two sentences."""
    best = best_run(results)
    if best is None:
        return "No run has scores on its task yet."
    name = metric_name(best.main_metric)
    score, source = results.value(best, MEAN, best.main_metric), results.source_value(best, best.main_metric)
    rate, ceiling = results.value(best, MEAN, LANGUAGE_RATE), results.value(best, MEAN, REFERENCE_RATE)
    if score is None:
        return f"Best run: {labels(results.runs)[best.name]}, {name} {source:.1f} in its source language."
    text = f"Best in the languages without labels: {labels(results.runs)[best.name]}, {name} {score:.1f}"
    text += f" (source language {source:.1f})" if source is not None else ""
    if rate is None:
        return f"{text}."
    of_references = f", of references {ceiling:.1f} %" if ceiling is not None else ""
    return f"{text}; {_VERDICTS[grade(rate, ceiling)]} (right language {rate:.1f} %{of_references})."


def _published(tables: ReportTables) -> list[Table]:
    averages, single = parts(tables.published)
    return [averages, replace(single, title="Language by language"), tables.protocol]


def _by_run(table: Table, shown: set[str]) -> list[Table]:
    """One table for each run in ``shown``, with the run's label as its title."""
    found: dict[str, list[dict[str, TableCell]]] = {}
    for row in table.rows:
        if row["run"].value in shown:
            found.setdefault(row["run"].value, []).append(row)
    columns = tuple(column for column in table.columns if column.key != "run")
    return [without_repetition(Table(table.name, run, columns, tuple(rows))) for run, rows in found.items()]
