"""The result of an analysis, and the arguments that analyses share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.rows import Rows
from xlgen.api.training import Run
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping
from xlgen.core.outputs import check_no_run, check_writable
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ANALYSIS

if TYPE_CHECKING:
    from xlgen.analysis.figures import Figure
    from xlgen.core.config import ParallelText
    from xlgen.core.tables import Table

Say = Callable[[str], None]
Source = str | Path | Run
"""A backbone (embedded, on the Hub, or a folder), a run (its newest checkpoint) or a checkpoint."""


@dataclass(frozen=True, repr=False)
class Analyzed:
    """The values of an analysis, with its tables and plots."""

    name: str
    """Base name of the files that :meth:`write` creates."""
    rows: Rows
    """One dictionary for each value. The key ``analysis`` has the kind of value."""
    tables: tuple[Table, ...]
    """Summaries of the rows."""
    figures: tuple[Figure, ...] = ()
    """The plots, as plain data; :meth:`write` draws them."""
    exports: tuple[Table, ...] = ()
    """Tables that :meth:`write` writes as CSV and Markdown."""
    note: str = ""
    """How the values were measured, or what is missing from the tables."""
    files: tuple[Path, ...] = ()
    """Paths of the files written so far."""

    def __repr__(self) -> str:
        titles = [f"table {table.title!r}" for table in self.tables]
        titles += [f"figure {figure.name}" for figure in self.figures]
        return f"<{self.name}: {', '.join([f'{len(self.rows)} rows', *titles, *map(str, self.files)])}>"

    def write(self, out: str | Path) -> Analyzed:
        """Write the rows as ``NAME.json`` and the plots as SVG into the folder ``out``.

        Returns the result with the paths of its files.

        The report of a run or a study shows the files in its folder ``analysis``. Raises InputError if ``out`` is
        another folder of a run, or cannot be written.
        """
        from xlgen.report.analysis_figures import draw
        from xlgen.report.formats import to_csv, to_markdown
        from xlgen.runs.analyses import write_analysis
        from xlgen.runs.files import write_atomically

        check_out(out)
        folder = Path(out)
        files = [write_analysis(self.rows, folder, self.name)]
        for table in self.exports:
            for suffix, text in (("csv", to_csv(table)), ("md", to_markdown(table))):
                files.append(write_atomically(folder / f"{table.name}.{suffix}", text))
        files += [draw(figure, folder) for figure in self.figures]
        return replace(self, files=tuple(files))


def result(
    name: str,
    rows: Iterable[JsonMapping],
    tables: Sequence[Table],
    figures: Sequence[Figure] = (),
    *,
    exports: Sequence[Table] = (),
    note: str = "",
    out: str | Path | None,
) -> Analyzed:
    """The result of an analysis, written if ``out`` is a folder."""
    found = Analyzed(name, Rows(rows), tuple(tables), tuple(figures), tuple(exports), note)
    return found if out is None else found.write(out)


def check_out(out: str | Path | None) -> None:
    """Raise InputError if no file can be written into ``out``, or a run manages it; leaves the folder as it is."""
    if out is not None:
        require("report", "drawing plots")
        check_no_run(Path(out), argument("out"), allowed=ANALYSIS)
        check_writable(Path(out), argument("out"))


def name_of(source: Source) -> str:
    """The name of a model in rows."""
    return str(source.folder if isinstance(source, Run) else source)


def names_of(sources: Iterable[Source]) -> list[str]:
    """The names of models. Raises InputError for a model that is given twice: a table has a column for each name."""
    if isinstance(sources, str):
        raise InputError(f"models must be a list of models, not one: [{sources!r}]")
    names = [name_of(source) for source in sources]
    paths = list(map(Path, names))
    if twice := [name for name, path in zip(names, paths, strict=True) if paths.count(path) > 1]:
        raise InputError(f"{twice[0]} is given twice; name different models, or this one once")
    return names


def parallel_text(texts: str | Path | JsonMapping | None, max_examples: int | None) -> ParallelText:
    """Validated parallel text: YAML, or the validation stories of the pocket world."""
    from xlgen.core.config import ParallelText, validate
    from xlgen.core.yaml_config import yaml_setting

    found = {} if texts is None else yaml_setting(texts, argument("texts"))
    config: ParallelText = validate(ParallelText, found, argument("texts"))
    return config.model_copy(update={"sentences": max_examples} if max_examples else {})


def silent(text: str) -> None:
    """Ignore a message."""
