"""Analyses of the labels of tasks, and of the results of runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from xlgen.api.analyze.analyzed import Analyzed, check_out, result
from xlgen.api.arguments import codes_of
from xlgen.api.rows import Rows
from xlgen.api.training import Run, folder_of
from xlgen.core.extras import require
from xlgen.core.registry import InputError


def overlap(
    task: str | Path,
    *,
    source: str = "en",
    languages: Sequence[str] = (),
    split: str = "test",
    max_examples: int | None = None,
    data_dir: str | Path = ".",
    out: str | Path | None = None,
) -> Analyzed:
    """Compute label overlap: the share of parallel inputs that have the same label, or words of it, in two languages.

    Also the share of labels that are numbers.

    Args:
        task: A task, by name or as a YAML file. The statistic d needs a task with ``parallel: true`` or ``pairs_by``.
        source: Language that the others are compared with.
        languages: The other languages; by default all of the task.
        split: Split of the task's data.
        max_examples: Maximum number of examples of each language.
        data_dir: The folder of the task's files.
        out: Folder for ``overlap.json``.

    Raises:
        InputError: if the task lacks a language, or two languages share no input.
    """
    check_out(out)
    codes = codes_of(languages)
    from xlgen.analysis.overlap import label_overlap, overlap_rows, overlap_tables
    from xlgen.data.tasks import load_task

    rows = overlap_rows(label_overlap(load_task(str(task), Path(data_dir)), source, codes, split, max_examples))
    return result("overlap", rows, overlap_tables(rows), out=out)


def correlation(
    runs: str | Path | Run, *, metric: str | None = None, by_run: bool = False, out: str | Path | None = None
) -> Analyzed:
    """Compute Spearman's rank correlation of XLRS with a metric, over checkpoints and languages.

    Args:
        runs: A run or a study in which XLRS was tracked.
        metric: The metric; by default the main one of each task.
        by_run: Add the correlations within each run.
        out: Folder for ``correlation.json``.

    Raises:
        InputError: if no run has the metric, or no evaluation has both values.
    """
    require("report", "a correlation", "scipy")
    check_out(out)
    from xlgen.analysis.correlation import correlation_rows, correlation_tables, xlrs_correlations
    from xlgen.runs.rows import load_results

    rows = correlation_rows(xlrs_correlations(load_results(folder_of(runs)), metric, by_run))
    return result("correlation", rows, correlation_tables(rows), out=out)


def selection(runs: str | Path | Run) -> Analyzed:
    """Compute the cost of selecting learning rates and checkpoints without target labels.

    Learning rates and checkpoints are selected on one half of the examples and evaluated on the other. The tables of
    every run and search are written to ``tables/`` in the folder of ``runs``.

    Args:
        runs: A run or a study, with its predictions.

    Raises:
        InputError: if there is nothing to select from.
    """
    from xlgen.report.formats import write_tables
    from xlgen.report.halves import halves_tables, regret_note
    from xlgen.runs.paths import RunPaths
    from xlgen.runs.rows import load_results

    folder = folder_of(runs)
    tables = halves_tables(load_results(folder))
    if not tables:
        raise InputError(
            f"{folder}: there is nothing to select from. No run was evaluated more than once in a language without "
            "labels, and no two runs differ in the learning rate alone"
        )
    rows = Rows({column.key: row[column.key].value for column in tables[0].columns} for row in tables[0].rows)
    files = tuple(write_tables(tables, RunPaths(folder).tables))
    return Analyzed("selection", rows, tuple(tables), note=regret_note(tables) or "", files=files)
