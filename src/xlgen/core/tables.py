"""Tables as plain data, for the page, the terminal and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from xlgen.core.json_types import JsonValue


@dataclass(frozen=True)
class TableCell:
    """A value with its 95 % interval, if it has one."""

    value: JsonValue = None
    low: float | None = None
    high: float | None = None
    grade: str = ""
    """``good``, ``fair`` or ``poor``, for graded values."""


@dataclass(frozen=True)
class Column:
    """A column and the format of its values. CSV files hold the unformatted values."""

    key: str
    title: str
    show: Callable[[JsonValue], str] = str
    number: bool = True
    interval: bool = False
    """Whether the values have intervals."""

    def text(self, cell: TableCell) -> str:
        """The formatted value without its interval, or a dash for None."""
        return "–" if cell.value is None else self.show(cell.value)

    def bounds(self, cell: TableCell) -> str:
        """The formatted interval, or an empty string if there is none."""
        return (
            ""
            if not self.interval or cell.low is None or cell.high is None
            else f"{self.show(cell.low)}–{self.show(cell.high)}"
        )


@dataclass(frozen=True)
class Table:
    """Columns, and rows of cells by column key."""

    name: str
    """The name of its files."""
    title: str
    columns: tuple[Column, ...]
    rows: tuple[dict[str, TableCell], ...]


def number_column(title: str) -> Column:
    """A right-aligned column of :func:`text_table`."""
    return Column("", title)


def text_table(name: str, title: str, columns: Sequence[str | Column], rows: Iterable[Sequence[str]]) -> Table:
    """A table of formatted texts. Column keys are positions, ``"0"`` first; an empty text is a cell without a value.

    Args:
        name: The name of its files.
        title: The title; line breaks become spaces.
        columns: Titles of left-aligned columns, and columns of :func:`number_column`.
        rows: The texts of each row, one for each column.
    """
    keyed = tuple(
        replace(column, key=str(place)) if isinstance(column, Column) else Column(str(place), column, number=False)
        for place, column in enumerate(columns)
    )
    cells = tuple(
        {column.key: TableCell(text or None) for column, text in zip(keyed, texts, strict=True)} for texts in rows
    )
    return Table(name, " ".join(title.split()), keyed, cells)
