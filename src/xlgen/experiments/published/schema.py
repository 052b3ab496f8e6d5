"""The schema of files of published numbers, and the classes that they are read into.

A file has each table as printed in the paper, as a grid of text, so that it can be proofread. The labels of rows and
columns are defined once, next to the grid; :mod:`xlgen.experiments.published` applies them to each cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from xlgen.core.config import Config
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language
from xlgen.core.registry import InputError

MEAN = "mean"
"""The language of a cell that averages over all languages of its row."""
MEAN_NON_SOURCE = "mean-non-source"
"""The language of a cell that averages over the languages without labels."""

Unit = Literal[
    "percent", "points", "share", "correlation", "similarity", "norm", "learning rate", "count", "steps", "parameters"
]


class PublishedError(InputError):
    """A file of published numbers is invalid, or a query names an unknown field."""


def _canonical(code: str) -> str:
    if code not in (MEAN, MEAN_NON_SOURCE) and Language.parse(code).code != code:
        raise ValueError(f"the canonical code of {code!r} is {Language.parse(code).code!r}")
    return code


Code = Annotated[str, AfterValidator(_canonical)]


class PublishedFields(Config):
    """The fields of a cell, merged from the paper, its table, its row's labels and its column."""

    kind: Literal["value", "difference"] | None = None
    """``difference`` if the cell is one score minus another, not a score itself."""
    task: str | None = None
    backbone: str | None = None
    method: str | None = None
    adaptation: str | None = None
    """The adaptation, if ``method`` describes another aspect of the run: ``prompt`` when the method is ``mixing``."""
    learning_rate: float | None = None
    source_languages: tuple[Code, ...] | None = None
    language: Code | None = None
    metric: str | None = None
    unit: Unit | None = None
    split: str | None = None
    seeds: int | None = None
    details: Mapping[str, str | int | float] = {}
    """Further properties that distinguish cells: a layer, the number of prompt tokens."""


CheckpointRule = Literal["last", "source", "target", "xlrs"]
"""The selection rule for a reported checkpoint; see :func:`xlgen.experiments.as_published.reported`."""


class Fact(Config):
    """A point of a paper's protocol."""

    value: str | int | float | None
    """None if the paper does not state it."""
    where: str = ""
    note: str = ""
    rule: CheckpointRule | None = None
    """Only for the point ``checkpoint``."""


class BackboneFacts(Config):
    """A backbone as a paper used it."""

    family: str
    parameters: int | None
    """None if the paper does not state it."""
    names: tuple[str, ...] = ()
    """Ids of other published checkpoints of the same size."""
    note: str = ""


class TaskFacts(Config):
    """A task as a paper used it."""

    family: str
    """The kind of output; only tasks of one family are compared."""
    data: str
    note: str = ""
    protocol: Mapping[str, Fact] = {}
    """Points of the protocol that differ for this task."""


class TableFile(Config):
    """A table as printed, with definitions of its labels."""

    where: str
    """The table's number, such as ``Table 8``."""
    title: str
    rows: tuple[str, ...] = Field(min_length=1)
    """The headers of the label columns, from the left."""
    cells: PublishedFields = PublishedFields()
    labels: Mapping[str, Mapping[str, PublishedFields]] = {}
    """Header of a label column -> label -> its fields. Missing labels are looked up in the paper's."""
    columns: Mapping[str, PublishedFields] = {}
    """Header of a value column -> its fields. A header that is missing here must be a language."""
    grid: str
    notes: tuple[str, ...] = ()
    """Errors in the paper, and how damaged parts of its text were read."""


class StatementFile(Config):
    """A sentence that states one or more values."""

    where: str
    quote: str
    figures: tuple[JsonObject, ...] = Field(min_length=1)
    """Each has a ``value`` and the fields of a cell."""
    notes: tuple[str, ...] = ()


class LeftOut(Config):
    """A table or figure that is not included, and the reason."""

    where: str
    why: str


class PaperFile(Config):
    """A file of published numbers."""

    key: str
    citation: str
    title: str
    arxiv: str
    source: str
    """The text that the numbers were read from."""
    protocol: dict[str, Fact]
    backbones: dict[str, BackboneFacts]
    tasks: dict[str, TaskFacts]
    metrics: dict[str, str]
    """Metric -> its definition in the paper. The same metric has the same name as in xlgen."""
    cells: PublishedFields = PublishedFields()
    labels: Mapping[str, Mapping[str, PublishedFields]] = {}
    tables: tuple[TableFile, ...]
    statements: tuple[StatementFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One published number."""

    paper: str
    """The paper's key: the first letter of its name."""
    where: str
    row: str
    """The row's labels as printed; empty for a statement."""
    column: str
    printed: str
    """The number as printed, without its spread."""
    value: float
    spread: float | None
    """The standard deviation over seeds, if printed."""
    metric: str
    unit: str
    kind: str = "value"
    task: str | None = None
    backbone: str | None = None
    method: str | None = None
    adaptation: str | None = None
    learning_rate: float | None = None
    source_languages: tuple[str, ...] | None = None
    language: str | None = None
    split: str | None = None
    seeds: int | None = None
    details: tuple[tuple[str, str | int | float], ...] = ()
    quote: str = ""

    @property
    def decimals(self) -> int:
        """The number of printed decimals."""
        return len(self.printed.rstrip("K").partition("e")[0].partition(".")[2])


@dataclass(frozen=True)
class PublishedTable:
    """The cells of one table or figure, or of all statements in a paper's text."""

    where: str
    title: str
    cells: tuple[PublishedCell, ...] = field(repr=False)
    notes: tuple[str, ...] = field(repr=False, default=())


@dataclass(frozen=True)
class Paper:
    """A paper with all its numbers and its protocol."""

    about: PaperFile = field(repr=False)
    tables: tuple[PublishedTable, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """The paper's key in files: ``C``, ``V``, ``L`` or ``J``."""
        return self.about.key

    @property
    def short(self) -> str:
        """The paper's name in tables: ``Chirkova+23``."""
        return f"{self.about.citation.split()[0]}+{self.about.citation[-2:]}"

    def fact(self, name: str, task: str | None = None) -> Fact | None:
        """A point of the paper's protocol, in ``task``'s own version if there is one; None if it does not apply."""
        own = self.about.tasks[task].protocol if task in self.about.tasks else {}
        return own.get(name) or self.about.protocol.get(name)

    @property
    def cells(self) -> tuple[PublishedCell, ...]:
        """Every number, table by table."""
        return tuple(cell for table in self.tables for cell in table.cells)
