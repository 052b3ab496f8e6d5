"""Figures as tables for a terminal: a table for each metric, a line for each language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table

from xlgen.metrics.base import plugins
from xlgen.scoring.figures import FigureRow


def tables(rows: Sequence[FigureRow], by: Sequence[str]) -> Iterator[Table]:
    """One table a metric: its figures side by side, each with half the width of its interval.

    Figures that no example defines are left out.
    """
    files = ["file"] if rows and "file" in rows[0] else []
    keys = [*files, *by]
    for name, figures in _by_metric(rows).items():
        table = Table(*keys, title=name, title_justify="left")
        for figure in figures:
            table.add_column(figure.replace("_", " "), justify="right")
        table.add_column("n", justify="right")
        for group, found in _groups(rows, keys).items():
            cells = [found.get(figure) for figure in figures]
            # The figures of a metric may be defined for different examples; where they differ, JSON tells them apart.
            counts = {cell["n"] for cell in cells if cell and cell["n"]}
            table.add_row(*group, *map(_cell, cells), _range(counts))
        yield table


def comparison_table(rows: Sequence[FigureRow], by: Sequence[str], sources: Sequence[str]) -> Table:
    """One line a figure and group: both values, their difference with its interval, and p."""
    table = Table("metric", *by, *sources, "difference", "95 % interval", "p", "n")
    last = None
    for row in sorted(rows, key=lambda row: [each["metric"] for each in rows].index(row["metric"])):
        if row["first"] is None:
            continue
        if last not in (None, row["metric"]):
            table.add_section()
        last = row["metric"]
        interval = "" if row["low"] is None else f"{row['low']:+.2f} … {row['high']:+.2f}"
        p = "" if row["p"] is None else f"{row['p']:.3f}"
        values = [f"{row[name]:.2f}" for name in ("first", "second")]
        where = [str(row[name]) for name in by]
        table.add_row(row["metric"], *where, *values, f"{row['difference']:+.2f}", interval, p, f"{row['n']:,}")
    return table


def _by_metric(rows: Sequence[FigureRow]) -> dict[str, list[str]]:
    """Metrics with those of their figures that have a value."""
    owners = {figure.name: name for name in plugins.names() for figure in plugins.get(name).figures}
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["value"] is not None and row["metric"] not in found.setdefault(owners[row["metric"]], []):
            found[owners[row["metric"]]].append(row["metric"])
    return found


def _groups(rows: Sequence[FigureRow], keys: Sequence[str]) -> dict[tuple[str, ...], dict[str, FigureRow]]:
    found: dict[tuple[str, ...], dict[str, FigureRow]] = {}
    for row in rows:
        found.setdefault(tuple(str(row[key]) for key in keys), {})[row["metric"]] = row
    return found


def _cell(row: dict[str, Any] | None) -> str:
    if row is None or row["value"] is None:
        return "-"
    if row["low"] is None or row["low"] == row["high"]:
        return f"{row['value']:.1f}"
    return f"{row['value']:.1f} ±{(row['high'] - row['low']) / 2:.1f}"


def _range(counts: set[int]) -> str:
    if not counts:
        return "0"
    return f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,}-{max(counts):,}"
