"""Tables and plots for the page from the files that `xlgen analyze ... --out DIR/analysis` wrote."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.analysis.rows import AnalysisRows
from xlgen.analysis.saved import KINDS, tables_of
from xlgen.core.registry import InputError
from xlgen.core.tables import Table
from xlgen.report.drawing import Plot, within_a_page
from xlgen.report.svg import read_drawing
from xlgen.runs.analyses import read_analysis

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Analysis:
    """The tables of one JSON file, and the drawings whose names begin with its name."""

    name: str
    tables: tuple[Table, ...]
    plots: tuple[Plot, ...]


def read_analyses(folder: Path, say: Callable[[str], None] = log.warning) -> list[Analysis]:
    """The analyses in ``folder``, sorted by name; an empty list if there is no such folder. Other files are ignored.

    A damaged file is left out, and ``say`` is called with its name and the problem.
    """
    files: dict[str, AnalysisRows] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            if read := read_analysis(path, KINDS):
                files[path.stem] = read
        except InputError as error:
            say(f"left out: {error}")
    drawings: dict[str, list[Path]] = {name: [] for name in files}
    for path in sorted(folder.glob("*.svg"), key=lambda path: path.stem):
        # cka-models.svg belongs to cka-models.json if that file exists, otherwise to cka.json.
        owners = [name for name in files if path.stem == name or path.stem.startswith(f"{name}-")]
        if owners:
            drawings[max(owners, key=len)].append(path)
    found = []
    for name, rows in files.items():
        try:
            found.append(Analysis(name, tables_of(rows), tuple(_plots(drawings[name], say))))
        except (LookupError, TypeError, ValueError, ArithmeticError) as error:
            # A missing or duplicate row is noticed only here, where a table is built from all rows.
            say(f"left out: {folder / name}.json is damaged ({type(error).__name__}: {error}): analyze again")
    return found


def _plots(paths: Sequence[Path], say: Callable[[str], None]) -> Iterator[Plot]:
    for path in paths:
        title = path.stem.replace("-", " ")
        try:
            yield Plot(title, "", within_a_page(read_drawing(path), title))
        except InputError as error:
            say(f"left out: {error}")
