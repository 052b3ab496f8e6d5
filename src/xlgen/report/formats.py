"""Write a table as CSV, Markdown or LaTeX, or show it in the terminal."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from rich import box
from rich import table as rich_table
from rich.text import Text

from xlgen.core.tables import Column, Table, TableCell
from xlgen.core.untrusted import file_name, safe_join
from xlgen.runs.files import write_atomically

# Symbols for the grades, shown with or without colour.
MARKS = {"good": "✓", "fair": "!", "poor": "✗"}
_STYLES = {"good": "green", "fair": "yellow", "poor": "bold red"}

_LATEX = {char: "\\" + char for char in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
}
# A LaTeX table with more columns than this is scaled to the text width.
_WIDE = 8


def write_tables(tables: list[Table], folder: Path) -> list[Path]:
    """Write each table as ``NAME.csv``, ``NAME.md`` and ``NAME.tex`` into ``folder``."""
    writers = {"csv": to_csv, "md": to_markdown, "tex": to_latex}
    return [
        write_atomically(safe_join(folder, f"{file_name(t.name)}.{suffix}", "a table's name"), write(t))
        for t in tables
        for suffix, write in writers.items()
    ]


def to_csv(table: Table) -> str:
    """CSV with unrounded values; a value with an interval has the columns ``KEY``, ``KEY_low`` and ``KEY_high``."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        [key for c in table.columns for key in ((c.key, f"{c.key}_low", f"{c.key}_high") if c.interval else (c.key,))]
    )
    for row in table.rows:
        writer.writerow([value for column in table.columns for value in _bare(column, row[column.key])])
    return text.getvalue()


def to_markdown(table: Table) -> str:
    """A pipe table with its title above it."""
    heads = [_pipe(column.title) for column in table.columns]
    rules = ["---:" if column.number else "---" for column in table.columns]
    lines = [[_pipe(_with_bounds(column, row[column.key])) for column in table.columns] for row in table.rows]
    return f"**{table.title}**\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in (heads, rules, *lines)) + "\n"


def to_latex(table: Table) -> str:
    """A ``tabular`` with booktabs rules, in a ``table`` with a caption."""
    shape = "".join("r" if column.number else "l" for column in table.columns)
    heads = " & ".join(_tex(column.title) for column in table.columns)
    lines = [" & ".join(_tex_cell(column, row[column.key]) for column in table.columns) for row in table.rows]
    body = "\n".join(
        [rf"\begin{{tabular}}{{{shape}}}", r"\toprule", heads + r" \\", r"\midrule", *(x + r" \\" for x in lines)]
    )
    body += "\n\\bottomrule\n\\end{tabular}"
    wide = len(table.columns) > _WIDE
    return "\n".join(
        [
            r"% needs \usepackage{booktabs" + (",graphicx}" if wide else "}"),
            r"\begin{table}",
            r"\centering\small",
            rf"\resizebox{{\textwidth}}{{!}}{{{body}}}" if wide else body,
            rf"\caption{{{_tex(table.title)}. Brackets hold 95\,\% bootstrap intervals.}}",
            rf"\label{{tab:{table.name}}}",
            r"\end{table}",
            "",
        ]
    )


def to_terminal(table: Table) -> rich_table.Table:
    """The table for the command line, with coloured grades."""
    found = rich_table.Table(title=Text(table.title))
    for column in table.columns:
        found.add_column(Text(column.title), justify="right" if column.number else "left")
    for row in table.rows:
        # Text instead of str, because rich might read part of a folder name as markup.
        found.add_row(*(_terminal_cell(column, row[column.key]) for column in table.columns))
    return found


def to_narrow_terminal(table: Table) -> rich_table.Table:
    """The table for the command line with little padding, for one column per language or weight."""
    heads = (rich_table.Column(column.title, justify="right" if column.number else "left") for column in table.columns)
    found = rich_table.Table(*heads, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")
    found.title = table.title
    for row in table.rows:
        cells = ((column, row[column.key]) for column in table.columns)
        found.add_row(*("" if cell.value is None else column.text(cell) for column, cell in cells))
    return found


def _terminal_cell(column: Column, cell: TableCell) -> Text:
    mark = f" {MARKS[cell.grade]}" if cell.grade else ""
    return Text(column.text(cell) + mark, style=_STYLES.get(cell.grade, ""))


def _bare(column: Column, cell: TableCell) -> list[object]:
    values = [cell.value, cell.low, cell.high] if column.interval else [cell.value]
    return ["" if value is None else value for value in values]


def _with_bounds(column: Column, cell: TableCell) -> str:
    bounds = column.bounds(cell)
    return f"{column.text(cell)} [{bounds}]" if bounds else column.text(cell)


def _pipe(text: str) -> str:
    return re.sub(r"([|\\`*_<>\[\]])", r"\\\1", " ".join(text.split()))


def _tex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in text)


def _tex_cell(column: Column, cell: TableCell) -> str:
    bounds = column.bounds(cell)
    text = _tex(column.text(cell))
    return rf"{text} {{\scriptsize [{_tex(bounds)}]}}" if bounds else text
