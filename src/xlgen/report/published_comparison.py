"""Our scores next to the published ones for the same kind of task, method, metric and language."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from xlgen.core.languages import language_name
from xlgen.core.tables import Column, Table
from xlgen.core.tables import TableCell as Shown
from xlgen.experiments.as_published import Reported, reported, rule_of
from xlgen.experiments.published import TEXT, load_papers
from xlgen.experiments.published.names import family, method, published_task
from xlgen.experiments.published.schema import MEAN_NON_SOURCE, Paper, PublishedCell
from xlgen.report.protocol import NOT_SAID, Point, differences, same_backbone
from xlgen.report.tables import metric_name
from xlgen.runs.recipes import canonical
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run, labels

ONE_LANGUAGE = "the target language"
"""The value in a row's details if its unlabelled text is in the target language only."""


@dataclass(frozen=True)
class Ours:
    """Runs that differ only in their seed."""

    label: str
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Theirs:
    """A row of a published table: its values for one metric in all languages."""

    paper: Paper
    cells: tuple[PublishedCell, ...]

    @property
    def first(self) -> PublishedCell:
        """A representative cell: all cells are equal except for the language and the value."""
        return self.cells[0]

    @property
    def place(self) -> str:
        """``Vu+22, Table 8, BASE MODEL``."""
        return f"{self.paper.short}, {self.first.where}, {self.first.row}"


def comparison_table(results: Results) -> Table:
    """Each of our scores next to each comparable published score; no rows if there are none."""
    columns = (
        Column("run", "Run", number=False),
        Column("task", "Task", number=False),
        Column("metric", "Metric", metric_name, number=False),
        Column("paper", "Published", number=False),
        Column("language", "Code", number=False),
        Column("name", "Language", number=False),
        Column("ours", "Ours", _one_digit, interval=True),
        Column("step", "Step", number=False),
        Column("seeds", "Seeds"),
        Column("theirs", "Theirs", lambda value: f"{value:.2f}".removesuffix("0")),
        Column("spread", "± (seeds)", _one_digit),
        Column("their_seeds", "Their seeds"),
        Column("difference", "Difference", lambda value: f"{value:+.1f}"),
        Column("differs", "What differs", number=False),
    )
    rows = (line for ours, theirs in pairs(results) for line in _lines(results, ours, theirs))
    return Table("beside", "Comparison with the published numbers", columns, tuple(rows))


def protocol_table(results: Results) -> Table:
    """The differences between each of our runs and each published row it is compared with, one row per point."""
    columns = (
        Column("run", "Run", number=False),
        Column("paper", "Published", number=False),
        Column("point", "Point", number=False),
        Column("ours", "Ours", number=False),
        Column("theirs", "Theirs", number=False),
        Column("where", "Stated in", number=False),
    )
    rows = {}
    for ours, theirs in pairs(results):
        for point in _points(results, ours, theirs):
            texts = (ours.label, theirs.place, point.name, point.ours, point.theirs, point.where)
            keys = (column.key for column in columns)
            rows[texts] = {key: Shown(text) for key, text in zip(keys, texts, strict=True)}
    return Table("protocol", "What differs from the published protocols", columns, tuple(rows.values()))


def parts(table: Table) -> tuple[Table, Table]:
    """Split :func:`comparison_table` into the rows that average over languages and those of single languages."""
    averages = tuple(row for row in table.rows if not row["language"].value)
    single = tuple(row for row in table.rows if row["language"].value)
    return replace(table, rows=averages), replace(table, rows=single)


def pairs(results: Results) -> Iterator[tuple[Ours, Theirs]]:
    """Pair our runs with the published rows that they can be compared with.

    A row must have the same method, the same source languages (if it names any), a metric that we measured, and the
    same data, or the same kind of task if no paper used our data. If a table has several sizes of a backbone, the row
    is the one with our size, or otherwise the smallest of the family.
    """
    for ours in _groups(results):
        measured = {figure["metric"] for run in ours.runs for figure in run.figures}
        found = [row for row in _published() if _alike(ours.runs[0], row, measured)]
        same = [row for row in found if row.first.task == published_task(ours.runs[0].task or "")]
        for theirs in _nearest_size(ours.runs[0].backbone, same or found):
            yield ours, theirs


def _groups(results: Results) -> list[Ours]:
    """The runs with scores, grouped if their recipes differ only in the seed."""
    found: dict[tuple[object, ...], list[Run]] = {}
    for run in results.runs:
        if run.figures:
            key = (run.backbone, run.method, run.task, json.dumps(run.stage, sort_keys=True, default=str))
            found.setdefault(key, []).append(run)
    names = labels(runs[0] for runs in found.values())
    return [Ours(names[runs[0].name], tuple(runs)) for runs in found.values()]


@cache
def _published() -> tuple[Theirs, ...]:
    return tuple(row for paper in load_papers() for row in _rows(paper))


def _rows(paper: Paper) -> list[Theirs]:
    """The rows of a paper's tables for each metric, without rows that a later table repeats."""
    found: dict[tuple[object, ...], list[PublishedCell]] = {}
    for table in paper.tables:
        for cell in table.cells if table.where != TEXT else ():
            again = "repeats" in dict(cell.details)  # another paper's values
            if cell.kind == "value" and cell.language not in (None, "mean") and not again:
                found.setdefault((cell.where, cell.row, cell.metric, cell.details), []).append(cell)
    known: set[tuple[object, ...]] = set()
    rows = []
    for cells in found.values():
        values = {_figure(cell) for cell in cells}
        if not values <= known:
            rows.append(Theirs(paper, tuple(dict.fromkeys(cells))))
        known |= values
    return rows


def _figure(cell: PublishedCell) -> tuple[object, ...]:
    names = ("task", "backbone", "method", "adaptation", "source_languages", "language", "metric", "value")
    return tuple(getattr(cell, name) for name in names)


def _alike(run: Run, theirs: Theirs, measured: set[str]) -> bool:
    cell, task = theirs.first, theirs.paper.about.tasks.get(theirs.first.task or "")
    adaptation = (run.stage.get("adaptation") or {}).get("name")
    return (
        cell.metric in measured
        and cell.method == method(run.method)
        and (cell.adaptation is None or adaptation in (None, cell.adaptation))
        and (cell.source_languages is None or set(cell.source_languages) == set(run.source_languages))
        and _has_text_of(run, cell)
        and task is not None
        and task.family == family(run.task or "")
    )


def _has_text_of(run: Run, cell: PublishedCell) -> bool:
    """Whether the unlabelled text of ``run`` is in one or in several languages, as in the row."""
    said, count = _text_of(cell), len(_unlabelled(run))
    return said is None or (count == 1 if said == ONE_LANGUAGE else count > 1)


def _text_of(cell: PublishedCell) -> str | None:
    """The languages of the text that the row mixes in or pretrains on; None if it does not state them."""
    details = dict(cell.details)
    said = details.get("mixed") or details.get("tuned")
    return None if said is None else str(said)


def _unlabelled(run: Run) -> set[str]:
    """The languages of a run's unlabelled text."""
    texts = (text for stage in run.recipe["stages"] for text in stage.get("unlabelled") or ())
    return {canonical(code) for text in texts for code in text.get("languages") or ()}


def _nearest_size(backbone: str, found: list[Theirs]) -> list[Theirs]:
    """From each table and task, the rows with ``backbone``, or with the smallest of its family, or of all families."""
    tables: dict[tuple[object, ...], list[Theirs]] = {}
    for row in found:
        tables.setdefault((row.paper.key, row.first.where, row.first.task, row.first.metric), []).append(row)
    return [row for rows in tables.values() for row in _nearest_of_table(backbone, rows)]


def _nearest_of_table(backbone: str, rows: list[Theirs]) -> list[Theirs]:
    same = [row for row in rows if same_backbone(backbone, row.first, row.paper)]
    if same or all(row.first.backbone is None for row in rows):
        return same or rows
    kin = [row for row in rows if _facts(row)[1].lower() in backbone.lower()] or rows
    smallest = min(_facts(row)[0] for row in kin)
    return [row for row in kin if _facts(row)[0] == smallest]


def _facts(row: Theirs) -> tuple[float, str]:
    """The number of parameters and the family of a row's backbone; zero and "" without a backbone."""
    facts = row.paper.about.backbones.get(row.first.backbone or "")
    return (facts.parameters or 0.0, facts.family) if facts else (0.0, "")


def _lines(results: Results, ours: Ours, theirs: Theirs) -> Iterator[dict[str, Shown]]:
    """The mean over the shared languages without labels, followed by a row for each shared language."""
    sources = ours.runs[0].source_languages
    codes = results.languages(ours.runs)
    steps = [_reported(results, run, theirs, codes).steps for run in ours.runs]
    scores = {code: _value(results, ours, code, theirs.first.metric, steps) for code in codes}
    differs = _differs(_points(results, ours, theirs))
    if theirs.first.language == MEAN_NON_SOURCE:
        values = {code: shown.value for code, shown in scores.items() if code not in sources}
        name, own = "mean of the others (not the same languages)", Shown(mean(values.values()))
        yield _line(ours, theirs, theirs.first, "", name, own) | {"differs": Shown(differs), **_step(steps, values)}
        return
    shared = [cell for cell in theirs.cells if scores.get(cell.language or "", Shown()).value is not None]
    if _text_of(theirs.first) == ONE_LANGUAGE:  # one model per target language; this run is one of them
        shared = [cell for cell in shared if cell.language in _unlabelled(ours.runs[0])]
    others = [cell for cell in shared if cell.language not in sources]
    if len(others) > 1:
        own = Shown(mean(scores[cell.language or ""].value for cell in others))
        average = Shown(mean(cell.value for cell in others))
        line = _line(ours, theirs, None, "", f"mean of {len(others)} others", own, average)
        yield line | {"differs": Shown(differs), **_step(steps, [cell.language or "" for cell in others])}
    for cell in shared:
        code = cell.language or ""
        line = _line(ours, theirs, cell, code, language_name(code), scores[code])
        yield line | {"differs": Shown(differs), **_step(steps, [code])}


def _line(
    ours: Ours,
    theirs: Theirs,
    cell: PublishedCell | None,
    code: str,
    name: str,
    own: Shown,
    average: Shown | None = None,
) -> dict[str, Shown]:
    value = cell.value if cell else average.value if average else None
    return {
        "run": Shown(ours.label),
        "task": Shown(ours.runs[0].task),
        "metric": Shown(theirs.first.metric),
        "paper": Shown(theirs.place),
        "language": Shown(code),
        "name": Shown(name),
        "ours": own,
        "seeds": Shown(len(ours.runs)),
        "theirs": Shown(value),
        "spread": Shown(cell.spread if cell else None),
        "their_seeds": Shown(theirs.first.seeds),
        "difference": Shown(None if own.value is None or value is None else own.value - value),
    }


def _reported(results: Results, run: Run, theirs: Theirs, codes: Sequence[str]) -> Reported:
    """The steps of ``run`` that the paper's selection rule would report."""
    return reported(results, run, rule_of(theirs.first, theirs.paper), codes)


def _step(steps: Sequence[Mapping[str, int]], codes: Iterable[str]) -> dict[str, Shown]:
    """The steps whose scores a row shows, over all seeds and languages."""
    return {"step": Shown(", ".join(map(str, sorted({each[code] for each in steps for code in codes}))))}


def _points(results: Results, ours: Ours, theirs: Theirs) -> list[Point]:
    first = ours.runs[0]
    selected = _reported(results, first, theirs, results.languages(ours.runs))
    return differences(ours.runs, theirs.first, theirs.paper, selected)


def _differs(points: Sequence[Point]) -> str:
    """The names of the points; :func:`protocol_table` has their values."""
    said = ", ".join(point.name for point in points if point.theirs != NOT_SAID)
    silent = ", ".join(point.name for point in points if point.theirs == NOT_SAID)
    return "; ".join(filter(None, [said, f"not stated: {silent}" if silent else ""]))


def _value(results: Results, ours: Ours, code: str, metric: str, steps: Sequence[Mapping[str, int]]) -> Shown:
    """The mean over seeds, each at its own step. A single run keeps its interval."""
    found = [results.at(run, code, metric, each[code]) for run, each in zip(ours.runs, steps, strict=True)]
    rows = [row for row in found if row is not None]
    if len(rows) == 1:
        return Shown(rows[0]["value"], rows[0]["low"], rows[0]["high"])
    return Shown(mean(row["value"] for row in rows))


def _one_digit(value: float) -> str:
    return f"{value:.1f}"
