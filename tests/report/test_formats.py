import csv
import io

from rich.console import Console

from xlgen.core.tables import Column, Table, TableCell
from xlgen.report.formats import to_csv, to_latex, to_markdown, to_terminal

TABLE = Table(
    "odd",
    "Odd & ends",
    (Column("run", "Run", number=False), Column("score", "Score (%)", lambda v: f"{v:.1f}", interval=True)),
    (
        {"run": TableCell("a|b_c [bold]x"), "score": TableCell(12.3456789, 11.0, 13.5, "poor")},
        {"run": TableCell("50 % & more"), "score": TableCell()},
    ),
)


def test_csv_holds_bare_values() -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(TABLE))))
    assert rows[0] == {"run": "a|b_c [bold]x", "score": "12.3456789", "score_low": "11.0", "score_high": "13.5"}
    assert rows[1] == {"run": "50 % & more", "score": "", "score_low": "", "score_high": ""}


def test_markdown_escapes_what_would_break_the_table() -> None:
    lines = to_markdown(TABLE).splitlines()
    assert lines[3] == "| --- | ---: |"
    assert lines[4] == r"| a\|b\_c \[bold\]x | 12.3 \[11.0–13.5\] |"
    assert lines[5] == "| 50 % & more | – |"


def test_latex_escapes_and_rules() -> None:
    text = to_latex(TABLE)
    assert r"a|b\_c [bold]x & 12.3 {\scriptsize [11.0--13.5]} \\" in text
    assert r"50 \% \& more & -- \\" in text
    assert r"\begin{tabular}{lr}" in text
    assert r"\caption{Odd \& ends." in text


def test_the_terminal_shows_names_as_they_are() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_terminal(TABLE))
    text = console.export_text()
    assert "a|b_c [bold]x" in text
    assert "12.3 ✗" in text
