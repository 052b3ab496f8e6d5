"""Build the complete report of a folder."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from rich.table import Table as RichTable

from xlgen.report.analyses import FOLDER, read_analyses
from xlgen.report.choices import choice_tables
from xlgen.report.faults import faults_table
from xlgen.report.formats import to_terminal, write_tables
from xlgen.report.page import render
from xlgen.report.published_comparison import beside_table, protocol_table
from xlgen.report.summary import methods_table, regret_table
from xlgen.report.tables import all_tables, verdict_table, without_repetition
from xlgen.runs import rows
from xlgen.runs.files import write_atomically
from xlgen.runs.runs import NoFigureError

log = logging.getLogger(__name__)


def build_report(path: Path) -> Path:
    """Write ``summary.json``, ``tables/`` and ``report.html`` into a run's or a study's folder; return the page's path.

    The page includes the results of `xlgen analyze` in the subfolder ``analysis``. If no run has evaluated yet, it
    shows only these. Damaged files are left out of a study's report, with a warning and a note on the page.

    Raises:
        InputError: if the folder has neither evaluation results nor an analysis.
    """
    faults: list[str] = []
    analyses = read_analyses(path / FOLDER, faults.append)
    for fault in faults:
        log.warning(fault)
    try:
        results = rows.load_results(path)
    except NoFigureError:
        if not analyses:
            raise
        page = render(rows.Results((), (), tuple(faults)), path.resolve().name, analyses)
        return write_atomically(path / "report.html", page)
    results = replace(results, faults=(*results.faults, *faults))
    rows.write_rows(results.rows, path / "summary.json")
    beside = [table for table in (beside_table(results), protocol_table(results)) if table.rows]
    summaries = [
        table for table in (methods_table(results), regret_table(results), faults_table(results)) if table.rows
    ]
    write_tables([*all_tables(results), *summaries, *choice_tables(results), *beside], path / "tables")
    return write_atomically(path / "report.html", render(results, path.resolve().name, analyses))


def terminal_table(path: Path) -> RichTable | str:
    """The verdict on each run of a folder, for the command line; a message if no run has evaluated."""
    try:
        return to_terminal(without_repetition(verdict_table(rows.load_results(path, lambda text: None))))
    except NoFigureError:
        return "no run has been evaluated: the page shows only the analyses"
