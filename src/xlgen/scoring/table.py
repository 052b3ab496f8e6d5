"""Terminal tables of scores: one table for each metric, one line for each language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.box import SIMPLE_HEAD
from rich.table import Table

from xlgen.core.json_types import JsonObject
from xlgen.metrics.options import owner_of
from xlgen.scoring.figures import FigureRow


def tables(rows: Sequence[FigureRow], by: Sequence[str]) -> Iterator[Table]:
    """One table per metric, with a column for each of its values and half the width of its interval.

    Values without any defined example are left out. A value with fewer defined examples than others in its line shows
    their number.
    """
    for name, figures in _by_metric(rows).items():
        table = Table(title=name, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
        for key in by:
            table.add_column(key, no_wrap=True)
        for figure in figures:
            table.add_column(figure.removesuffix("_rate").replace("_", " "), justify="right")
        table.add_column("n", justify="right", no_wrap=True)
        for group, found in _groups(rows, by).items():
            n = max((found[figure]["n"] for figure in figures if figure in found), default=0)
            table.add_row(*group, *(_cell(found.get(figure), n) for figure in figures), f"{n:,}")
        yield table


def comparison_table(rows: Sequence[FigureRow], by: Sequence[str], sources: Sequence[str]) -> Table:
    """A table with one line per metric and group: both values, their difference with its interval, and p."""
    title = f"first: {sources[0]}\nsecond: {sources[1]}"
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("metric", *by):
        table.add_column(name, no_wrap=True)
    for name in ("first", "second", "difference", "95 % interval", "p", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    for metric in dict.fromkeys(row["metric"] for row in rows if row["first"] is not None):
        for row in rows:
            if row["metric"] == metric and row["first"] is not None:
                table.add_row(metric, *(str(row[name]) for name in by), *_comparison_cells(row))
        table.add_section()
    return table


def _comparison_cells(row: FigureRow) -> tuple[str, ...]:
    interval = "" if row["low"] is None else f"{row['low']:+.1f} to {row['high']:+.1f}"
    p = "" if row["p"] is None else f"{row['p']:.3f}"
    return f"{row['first']:.1f}", f"{row['second']:.1f}", f"{row['difference']:+.1f}", interval, p, f"{row['n']:,}"


def pairing(pairs: JsonObject, sources: Sequence[str]) -> str:
    """A message with the number of paired rows, and the unpaired rows."""
    lines = [f"{pairs['paired']:,} pairs"]
    if renumbered := pairs.get("renumbered"):
        lines.append(
            f"rows of {', '.join(renumbered)} are numbered from 0 in one file and from 1 in the other: paired in order"
        )
    if different := pairs.get("different"):
        lines.append(f"{different:,} pairs with equal ids have different inputs or references: do the ids match?")
    for which, source in zip(("first", "second"), sources, strict=True):
        count, ids = pairs[f"only_{which}"], pairs[f"only_{which}_ids"]
        if count:
            more = ", ..." if count > len(ids) else ""
            lines.append(f"{count:,} rows of {source} are not in the other: {', '.join(ids)}{more}")
    return "\n".join(lines)


def _by_metric(rows: Sequence[FigureRow]) -> dict[str, list[str]]:
    """The names of all defined values, by metric."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if row["value"] is not None and row["metric"] not in found.setdefault(owner_of(row["metric"]), []):
            found[owner_of(row["metric"])].append(row["metric"])
    return found


def _groups(rows: Sequence[FigureRow], keys: Sequence[str]) -> dict[tuple[str, ...], dict[str, FigureRow]]:
    found: dict[tuple[str, ...], dict[str, FigureRow]] = {}
    for row in rows:
        found.setdefault(tuple(str(row[key]) for key in keys), {})[row["metric"]] = row
    return found


def _cell(row: FigureRow | None, n: int) -> str:
    if row is None or row["value"] is None:
        return "-"
    half = "" if row["low"] is None or row["low"] == row["high"] else f" ±{(row['high'] - row['low']) / 2:.1f}"
    return f"{row['value']:.1f}{half}" + (f"\n(of {row['n']:,})" if row["n"] < n else "")
