"""Parse tables written as text, with pipes between the cells and the headers in the first line."""

from __future__ import annotations

import re
from dataclasses import dataclass

from xlgen.experiments.published.schema import PublishedError

MISSING, UNREADABLE = "–", "?"
"""Marks of a cell that is empty in the paper, and of one that was not readable in the paper's text."""

_NUMBER = re.compile(r"(?P<printed>-?\d+(?:\.\d+)?(?:e-?\d+)?K?)\*?(?: ± (?P<spread>\d+(?:\.\d+)?))?")


@dataclass(frozen=True)
class Number:
    """A number as printed, without the asterisk that marks significance."""

    printed: str
    value: float
    spread: float | None


@dataclass(frozen=True)
class TextGrid:
    """Headers, and rows with the same number of cells."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def read_grid(text: str, where: str) -> TextGrid:
    """Split ``text`` into cells. Raises PublishedError with the line of the grid."""
    lines = [line for line in text.splitlines() if line.strip()]
    if len(lines) < 2:
        raise PublishedError(f"{where}: the grid needs a line of headers and at least one row")
    heads, *rows = (_split(line, f"{where}, line {number} of the grid") for number, line in enumerate(lines, 1))
    if len(set(heads)) != len(heads):
        raise PublishedError(f"{where}: two columns have the same header in {', '.join(heads)}")
    for number, row in enumerate(rows, 2):
        if len(row) != len(heads):
            raise PublishedError(f"{where}, line {number} of the grid has {len(row)} cells, but {len(heads)} headers")
    return TextGrid(heads, tuple(rows))


def read_number(text: str, where: str) -> Number | None:
    """``24.5``, ``24.5 ± 0.2``, ``1e-4`` or ``15.0K``; None for an empty or unreadable cell. Raises PublishedError."""
    if text in (MISSING, UNREADABLE):
        return None
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise PublishedError(
            f"{where}: {text!r} is not a number; write 24.5, 24.5 ± 0.2, {MISSING} if nothing is printed, "
            f"or {UNREADABLE} if it cannot be read"
        )
    printed = match["printed"]
    value = float(printed.rstrip("K")) * (1000 if printed.endswith("K") else 1)
    return Number(printed, value, float(match["spread"]) if match["spread"] else None)


def _split(line: str, where: str) -> tuple[str, ...]:
    line = line.strip()
    if len(line) < 2 or not (line.startswith("|") and line.endswith("|")):
        raise PublishedError(f"{where} must begin and end with a pipe: {line[:60]!r}")
    return tuple(cell.strip() for cell in line[1:-1].split("|"))
