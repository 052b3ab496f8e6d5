"""Build the complete report of a folder."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from xlgen.core.tables import Table
from xlgen.report.analyses import read_analyses
from xlgen.report.formats import write_tables
from xlgen.report.page import render
from xlgen.report.report_tables import ReportTables
from xlgen.report.tables import without_repetition
from xlgen.runs.files import write_atomically
from xlgen.runs.paths import RunPaths
from xlgen.runs.rows import Results, load_results, write_rows
from xlgen.runs.runs import NoFigureError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """The files of a report, and its main table."""

    page: Path
    summary: Path | None
    """The file with all scores; None if no run has been evaluated."""
    verdict: Table | None
    """One row per run; None if no run has been evaluated."""


def build_report(path: Path) -> Report:
    """Write ``summary.json``, ``tables/`` and ``report.html`` into a run's or a study's folder.

    The page includes the results of `xlgen analyze` in the subfolder ``analysis``. If no run has evaluated yet, it
    shows only these. Damaged files are left out of a study's report, with a warning and a note on the page. Each run is
    read once.

    Raises:
        InputError: if the folder has neither evaluation results nor an analysis.
    """
    paths = RunPaths(path)
    faults: list[str] = []
    analyses = read_analyses(paths.analysis, faults.append)
    for fault in faults:
        log.warning(fault)
    title = path.resolve().name
    try:
        results = load_results(path)
    except NoFigureError:
        if not analyses:
            raise
        page = render(ReportTables(Results((), (), tuple(faults))), title, analyses)
        return Report(write_atomically(paths.page_file, page), None, None)
    tables = ReportTables(replace(results, faults=(*results.faults, *faults)))
    summary = write_rows(results.rows, paths.summary_file)
    write_tables(tables.for_files(), paths.tables)
    page = render(tables, title, analyses)
    return Report(write_atomically(paths.page_file, page), summary, without_repetition(tables.verdict))
