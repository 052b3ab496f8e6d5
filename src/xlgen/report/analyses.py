"""Tables and plots for the page from the files that `xlgen analyze ... --out DIR/analysis` wrote."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from xlgen.analysis.similarity import BetweenLanguages, BetweenModels, WithLength
from xlgen.core.registry import InputError
from xlgen.report import analysis_tables, clusters, probe_figures
from xlgen.report.drawing import Plot, within_a_page
from xlgen.report.svg import read_drawing
from xlgen.report.tables import Column, Table, TableCell
from xlgen.runs.analyses import read_analysis

Rows = Sequence[Mapping[str, Any]]

FOLDER = "analysis"

log = logging.getLogger(__name__)


def _by_model(rows: Rows) -> list[Rows]:
    models = dict.fromkeys(row["model"] for row in rows)
    return [[row for row in rows if row["model"] == model] for model in models]


_TABLES: Mapping[str, Callable[[Rows], Sequence[RichTable]]] = {
    "cka-models": lambda rows: [analysis_tables.models_table(BetweenModels.of(rows))],
    "cka-languages": lambda rows: [
        analysis_tables.similarity_table(BetweenLanguages.of(own)) for own in _by_model(rows)
    ],
    "cka-length": lambda rows: [analysis_tables.length_table([WithLength.of(own) for own in _by_model(rows)])],
    "spectra": lambda rows: [analysis_tables.norms_table(rows), analysis_tables.change_table(rows)],
    "overlap": lambda rows: [analysis_tables.overlap_table(rows)],
    "correlation": lambda rows: [analysis_tables.correlation_table(rows)],
    "prompts": lambda rows: [clusters.prompts_table(rows)],
    "prompts-contrast": lambda rows: [clusters.contrasts_table(rows)],
    "probe": lambda rows: [probe_figures.probe_table(rows)],
    "lens": lambda rows: [probe_figures.lens_table(rows)],
}
"""The command line's tables, by the value of a row's ``analysis`` key."""


@dataclass(frozen=True)
class Analysis:
    """The tables of one JSON file, and the drawings whose names begin with its name."""

    name: str
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]


def read_analyses(folder: Path, say: Callable[[str], None] = log.warning) -> list[Analysis]:
    """The analyses in ``folder``, sorted by name; an empty list if there is no such folder. Other files are ignored.

    A damaged file is left out, and ``say`` is called with its name and the problem.
    """
    files: dict[str, Rows] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            if read := read_analysis(path, _KNOWN):
                files[path.stem] = read
        except InputError as error:
            say(f"left out: {error}")
    drawings: dict[str, list[Path]] = {name: [] for name in files}
    for path in sorted(folder.glob("*.svg"), key=lambda path: path.stem):
        # cka-models.svg belongs to cka-models.json if that file exists, otherwise to cka.json.
        owners = [name for name in files if path.stem == name or path.stem.startswith(f"{name}-")]
        if owners:
            drawings[max(owners, key=len)].append(path)
    found = []
    for name, rows in files.items():
        try:
            found.append(_analysis(name, rows, drawings[name], say))
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            # A missing or duplicate row is noticed only here, where a table is built from all rows.
            say(f"left out: {folder / name}.json is damaged ({type(error).__name__}: {error}): analyze again")
    return found


def _analysis(name: str, rows: Rows, drawings: Sequence[Path], say: Callable[[str], None]) -> Analysis:
    kinds = dict.fromkeys(row["analysis"] for row in rows)
    tables = [
        plain(table, f"{name}-{kind}-{number}")
        for kind in kinds
        if kind in _TABLES
        for number, table in enumerate(_TABLES[kind]([row for row in rows if row["analysis"] == kind]))
    ]
    return Analysis(name, tuple(tables), tuple(_plots(drawings, say)))


_KNOWN = {*_TABLES, "prompts-tree"}


def _plots(paths: Sequence[Path], say: Callable[[str], None]) -> Iterator[Plot]:
    for path in paths:
        title = path.stem.replace("-", " ")
        try:
            yield Plot(title, "", within_a_page(read_drawing(path), title))
        except InputError as error:
            say(f"left out: {error}")


def plain(table: RichTable, name: str) -> Table:
    """Convert a table of the command line to one of the page. The first column becomes the row headers."""
    columns = tuple(
        Column(str(number), str(column.header), number=column.justify == "right")
        for number, column in enumerate(table.columns)
    )
    cells = [list(column.cells) for column in table.columns]
    rows = tuple(
        {column.key: TableCell(str(texts[place]) or None) for column, texts in zip(columns, cells, strict=True)}
        for place in range(table.row_count)
    )
    return Table(name, re.sub(r"\s+", " ", str(table.title or name)), columns, rows)
