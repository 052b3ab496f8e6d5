"""Shared by all commands: the application, printing to the terminal, and parsing of options."""

from __future__ import annotations

import math
import sys
from contextlib import suppress

import typer
from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.status import Status
from rich.table import Column, Table
from rich.text import Text

from xlgen.cli.dependent import Commands
from xlgen.core.registry import InputError

app = Commands(
    name="xlgen",
    help="Zero-shot cross-lingual generation: labels in one language, output in the right language in all others.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
# Without markup: brackets in paths, names and texts are printed as they are.
out = Console(markup=False, emoji=False)
err = Console(stderr=True, markup=False, emoji=False)
_WIDEST = 1_000
"""Width of a table if there is no terminal; longer texts are wrapped."""
_NAME = 12
"""Minimum width of a column of names, unless its names are shorter."""


def plain(text: str) -> str:
    """``text`` with escaped control characters, so that data cannot send escape sequences to the terminal."""
    return "".join(char if char.isprintable() or char in "\n\t" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """The escape of an invisible character. Spaces of any width and format characters are kept."""
    return char if (char.isspace() and char > "\x1f") or "\u200b" <= char <= "\u2064" else repr(char)[1:-1]


def say(text: str, label: str = "", file: Console = err) -> None:
    """Print a line of text without wrapping it, after ``label`` in bold red."""
    file.print(Text.assemble((label, "bold red"), " " * bool(label), plain(text)), highlight=False, soft_wrap=True)


def show(table: Table | str) -> None:
    """Print a table without truncating any cell. In a terminal, names and titles are wrapped to fit the width. Numbers
    are not wrapped, so a narrow terminal may wrap whole rows."""
    if isinstance(table, str):
        out.print(table, highlight=False, soft_wrap=True)
        return
    width = fit(table, out.width if out.is_terminal else max(out.width, _WIDEST))
    Console(file=out.file, width=width, markup=False, emoji=False, force_terminal=out.is_terminal).print(table)


def fit(table: Table, width: int) -> int:
    """Fit ``table`` to ``width``, but no narrower than its numbers. Returns the width that it needs."""
    measured = Console(width=10**6, markup=False, emoji=False)
    whole = [max((_longest(cell) for cell in _cells(table, place)), default=0) for place in range(len(table.columns))]
    around = measured.measure(table).maximum - sum(whole)
    least = [
        max(map(_longest, column.cells), default=0) if _is_of_numbers(column) else min(wide, _NAME)
        for wide, column in zip(whole, table.columns, strict=True)
    ]
    words = [max(map(cell_len, str(column.header).split()), default=0) for column in table.columns]
    # If the terminal has to wrap rows in any case, words of titles are kept whole.
    fits = sum(least) + around <= width
    widths = [max(1, each, 0 if fits else word) for each, word in zip(least, words, strict=True)]
    while sum(widths) + around < width and (cut := [p for p, wide in enumerate(whole) if widths[p] < wide]):
        # Widen columns with broken words in titles first, then the narrowest, so that short texts stay whole.
        widths[min(cut, key=lambda p: (widths[p] >= words[p], widths[p]))] += 1
    for column, chosen in zip(table.columns, widths, strict=True):
        column.width, column.overflow, column.no_wrap = chosen, "fold", False
    return max(sum(widths) + around, 1)


def _cells(table: Table, place: int) -> list[RenderableType]:
    column = table.columns[place]
    return [column.header, *column.cells]


def _longest(cell: object) -> int:
    """The width of the longest line of a cell."""
    return max((cell_len(line) for line in str(cell).split("\n")), default=0)


def _is_of_numbers(column: Column) -> bool:
    return column.justify == "right" or not any(char.isalpha() for cell in column.cells for char in str(cell))


def status(text: str) -> Status:
    """A spinner with ``text``, shown while the context is open."""
    return err.status(Text(plain(text)))


def codes_of(text: str | None, option: str = "--languages") -> tuple[str, ...]:
    """Split a comma-separated list; empty for None. Raises InputError for an empty name."""
    names = tuple(part.strip() for part in text.split(",")) if text is not None else ()
    if not all(names):
        raise InputError(f"{option} takes comma-separated names, and one in {text!r} is empty")
    return names


def finite(value: float | None) -> float | None:
    """Check that the value of an option is finite."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


def check_arguments(arguments: list[str]) -> None:
    """Raise InputError for an argument that is empty or not UTF-8."""
    for number, text in enumerate(arguments):
        option, _, value = text.partition("=")
        before = arguments[number - 1] if number else ""
        if not text or (text.startswith("--") and "=" in text and not value):
            named = option or before
            raise InputError(f"the value of {named} is empty" if named.startswith("-") else "an argument is empty")
        try:
            text.encode()
        except UnicodeEncodeError:
            raise InputError(f"the argument {plain(text)} is not UTF-8 text") from None


def print_anything() -> None:
    """Make standard output accept any text: characters that its encoding lacks are escaped."""
    with suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text file
