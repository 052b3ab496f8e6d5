"""What every command shares: the application, where it prints and how, and how it reads its options."""

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
# Brackets in paths, names and texts are text: nothing that is printed is read as markup.
out = Console(markup=False, emoji=False)
err = Console(stderr=True, markup=False, emoji=False)
_WIDEST = 1_000
"""Columns of a table where there is no terminal; longer texts take several lines."""
_NAME = 12
"""Columns that a name has at least, if it needs them."""


def plain(text: str) -> str:
    """Text without control characters, which would reach the terminal: an escape sequence of somebody's data."""
    return "".join(sign if sign.isprintable() or sign in "\n\t" else _named(sign) for sign in text)


def _named(sign: str) -> str:
    """A space stays one whatever its width; other invisible characters are named."""
    return sign if (sign.isspace() and sign > "\x1f") or "\u200b" <= sign <= "\u2064" else repr(sign)[1:-1]


def say(text: str, label: str = "", file: Console = err) -> None:
    """A line of text, which the terminal wraps itself; with ``label`` in bold red before it."""
    file.print(Text.assemble((label, "bold red"), " " * bool(label), plain(text)), highlight=False, soft_wrap=True)


def show(table: Table | str) -> None:
    """A table with every digit and every name: as wide as it is where there is no terminal, and in a terminal with
    names and titles on several lines. Numbers stay on one line, so that a narrow terminal may have to wrap rows."""
    if isinstance(table, str):
        out.print(table, highlight=False, soft_wrap=True)
        return
    width = fit(table, out.width if out.is_terminal else max(out.width, _WIDEST))
    Console(file=out.file, width=width, markup=False, emoji=False, force_terminal=out.is_terminal).print(table)


def fit(table: Table, width: int) -> int:
    """Make ``table`` at most ``width`` columns wide, but no narrower than its numbers; the width that it then needs."""
    measured = Console(width=10**6, markup=False, emoji=False)
    whole = [max((_longest(cell) for cell in _cells(table, place)), default=0) for place in range(len(table.columns))]
    around = measured.measure(table).maximum - sum(whole)
    least = [
        max(map(_longest, column.cells), default=0) if _is_of_numbers(column) else min(wide, _NAME)
        for wide, column in zip(whole, table.columns, strict=True)
    ]
    words = [max(map(cell_len, str(column.header).split()), default=0) for column in table.columns]
    # Where the terminal has to wrap rows in any case, titles may as well be whole words.
    fits = sum(least) + around <= width
    widths = [max(1, each, 0 if fits else word) for each, word in zip(least, words, strict=True)]
    while sum(widths) + around < width and (cut := [p for p, wide in enumerate(whole) if widths[p] < wide]):
        # First the words of titles, then what is shortest, so that short texts are whole.
        widths[min(cut, key=lambda p: (widths[p] >= words[p], widths[p]))] += 1
    for column, chosen in zip(table.columns, widths, strict=True):
        column.width, column.overflow, column.no_wrap = chosen, "fold", False
    return max(sum(widths) + around, 1)


def _cells(table: Table, place: int) -> list[RenderableType]:
    column = table.columns[place]
    return [column.header, *column.cells]


def _longest(cell: object) -> int:
    """The columns that the longest line of a cell takes."""
    return max((cell_len(line) for line in str(cell).split("\n")), default=0)


def _is_of_numbers(column: Column) -> bool:
    return column.justify == "right" or not any(char.isalpha() for cell in column.cells for char in str(cell))


def status(text: str) -> Status:
    """A spinner with ``text``, while the context is open."""
    return err.status(Text(plain(text)))


def codes_of(text: str | None, option: str = "--languages") -> tuple[str, ...]:
    """The names in a list with commas between them; none of None. Raises InputError for an empty name."""
    names = tuple(part.strip() for part in text.split(",")) if text is not None else ()
    if not all(names):
        raise InputError(f"{option} takes names with commas between them, and one of {text!r} is empty")
    return names


def finite(value: float | None) -> float | None:
    """The number of an option, which infinity and NaN are not."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is no finite number")
    return value


def check_arguments(arguments: list[str]) -> None:
    """Raise InputError for an empty argument, which names nothing, and one that is not UTF-8."""
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
    """Let standard output take any text, whatever its encoding: what it lacks is written as an escape."""
    with suppress(AttributeError, ValueError):
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a text file
