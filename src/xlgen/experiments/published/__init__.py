"""The published numbers of the four papers as data: every table, and the statements in their text.

One file per paper. A paper has the name that ``xlgen list published`` prints: ``Chirkova+23``, ``Vu+22``, ``Li+23`` or
``Ji+24``. Its key in the files and in :class:`PublishedCell` is the first letter. Figures without printed values are
listed as left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from importlib import resources
from pathlib import Path

from pydantic import ValidationError

from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language, UnknownLanguageError
from xlgen.core.registry import nearest
from xlgen.core.yaml_config import read_yaml
from xlgen.experiments.published.grid import Number, TextGrid, read_grid, read_number
from xlgen.experiments.published.schema import (
    Paper,
    PaperFile,
    PublishedCell,
    PublishedError,
    PublishedFields,
    PublishedTable,
    StatementFile,
    TableFile,
)

TEXT = "text"
"""The ``where`` of the :class:`PublishedTable` with the statements in a paper's text. Each cell has its section."""


@cache
def load_papers() -> tuple[Paper, ...]:
    """Load the four papers. Raises PublishedError if a file is invalid."""
    root = Path(str(resources.files("xlgen.experiments.published")))
    return tuple(load_paper(root / f"{name}.yaml") for name in ("chirkova-2023", "vu-2022", "li-2023", "ji-2024"))


def find_cells(**wanted: object) -> list[PublishedCell]:
    """The cells whose fields have the values ``wanted``; a set matches any of its members.

    ``paper`` is a name that ``xlgen list published`` prints, or its first letter.

    Example: ``find_cells(paper="Vu+22", where="Table 8", language={"ru", "th"})``. Raises PublishedError for an unknown
    field or paper.
    """
    known = {field.name for field in fields(PublishedCell)}
    for name in wanted:
        if name not in known:
            raise PublishedError(f"a published cell has no field {name!r}: {nearest(name, known)}")
    if "paper" in wanted:
        names = wanted["paper"]
        wanted["paper"] = {_key(name) for name in (names if isinstance(names, set | frozenset) else [names])}
    return [
        cell
        for paper in load_papers()
        for cell in paper.cells
        if all(_is(getattr(cell, k), v) for k, v in wanted.items())
    ]


def _key(name: object) -> str:
    """The key of the paper ``name``. Raises PublishedError if there is none."""
    keys = {each: paper.key for paper in load_papers() for each in (paper.short, paper.key)}
    if name not in keys:
        shorts = {paper.short for paper in load_papers()}
        raise PublishedError(f"there is no paper {name!r}: {nearest(str(name), shorts)}")
    return keys[str(name)]


def load_paper(path: Path) -> Paper:
    """Read one file. Raises PublishedError with the file, the table, the row and the column."""
    try:
        about = PaperFile.model_validate(read_yaml(path))
    except ValidationError as error:
        faults = "\n".join(f"  {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise PublishedError(f"{path} is invalid:\n{faults}") from None
    tables = [_table(about, table, f"{path.name}, {table.where}") for table in about.tables]
    if about.statements:
        cells = tuple(cell for said in about.statements for cell in _statement(about, said, path.name))
        notes = tuple(note for said in about.statements for note in said.notes)
        tables.append(PublishedTable(TEXT, "Statements in the text", cells, notes))
    return Paper(about, tuple(tables))


def _is(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, set | frozenset) else bool(value == wanted)


def _table(about: PaperFile, table: TableFile, where: str) -> PublishedTable:
    grid = read_grid(table.grid, where)
    count = len(table.rows)
    if grid.heads[:count] != table.rows:
        raise PublishedError(f"{where}: the grid must begin with the headers {', '.join(table.rows)}")
    columns = [_column(table, head, where) for head in grid.heads[count:]]
    return PublishedTable(table.where, table.title, tuple(_cells(about, table, grid, columns, where)), table.notes)


def _cells(
    about: PaperFile, table: TableFile, grid: TextGrid, columns: list[PublishedFields], where: str
) -> Iterator[PublishedCell]:
    count = len(table.rows)
    for row in grid.rows:
        name = " ".join(filter(None, row[:count]))
        labels = [_label(about, table, *pair, where) for pair in zip(table.rows, row[:count], strict=True)]
        for head, text, column in zip(grid.heads[count:], row[count:], columns, strict=True):
            here = f"{where}, row {name!r}, column {head!r}"
            number = read_number(text, here)
            if number is not None:
                meaning = [about.cells, table.cells, *labels, column]
                yield _cell(about, (table.where, name, head), number, meaning, "", here)


def _label(about: PaperFile, table: TableFile, head: str, label: str, where: str) -> PublishedFields:
    known = {**about.labels.get(head, {}), **table.labels.get(head, {})}
    if label not in known:
        raise PublishedError(f"{where}: the label {label!r} under {head!r} is not defined: {nearest(label, known)}")
    return known[label]


def _column(table: TableFile, head: str, where: str) -> PublishedFields:
    if head in table.columns:
        return table.columns[head]
    try:
        return PublishedFields(language=Language.parse(head).code)
    except UnknownLanguageError:
        known = nearest(head, table.columns) if table.columns else "`columns` is empty"
        raise PublishedError(f"{where}: the column {head!r} is neither a language nor defined: {known}") from None


def _statement(about: PaperFile, said: StatementFile, file: str) -> Iterator[PublishedCell]:
    for index, figure in enumerate(said.figures):
        here = f"{file}, {said.where}, figure {index} of {said.quote[:40]!r}"
        rest = dict(figure)
        number = read_number(str(rest.pop("value", "")), here)
        if number is None:
            raise PublishedError(f"{here}: a statement needs a value")
        try:
            meaning = PublishedFields.model_validate(rest)
        except ValidationError as error:
            fault = error.errors()[0]
            raise PublishedError(f"{here}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}") from None
        yield _cell(about, (said.where, "", ""), number, [about.cells, meaning], said.quote, here)


def _cell(
    about: PaperFile, place: tuple[str, str, str], number: Number, meaning: list[PublishedFields], quote: str, here: str
) -> PublishedCell:
    """The cell at ``place`` (where, row, column); later fields win over earlier ones."""
    merged: JsonObject = {}
    details: dict[str, str | int | float] = {}
    for part in meaning:
        merged.update(part.model_dump(exclude_unset=True, exclude={"details"}))
        details.update(part.details)
    for name, known in (("task", about.tasks), ("backbone", about.backbones), ("metric", about.metrics)):
        value = merged.get(name)
        if value is not None and value not in known:
            raise PublishedError(f"{here}: the paper has no {name} {value!r}: {nearest(value, known)}")
    for name in ("metric", "unit"):
        if merged.get(name) is None:
            raise PublishedError(f"{here}: the {name} is not defined")
    where, row, column = place
    return PublishedCell(
        paper=about.key,
        where=where,
        row=row,
        column=column,
        printed=number.printed,
        value=number.value,
        spread=number.spread,
        details=tuple(details.items()),
        quote=quote,
        **merged,
    )
