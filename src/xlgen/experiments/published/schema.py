"""What a file of published numbers holds, and what it is read into.

A file keeps each table as the paper prints it, a grid of text, so that it can be proofread against the page. The labels
of rows and columns are explained once, next to the grid; :mod:`xlgen.experiments.published` applies them to each cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from xlgen.core.config import Config
from xlgen.core.languages import Language
from xlgen.core.registry import InputError

MEAN = "mean"
"""A cell's language where it averages over all languages of its row."""
MEAN_NON_SOURCE = "mean-non-source"
"""A cell's language where it averages over the languages without labels."""

Unit = Literal[
    "percent", "points", "share", "correlation", "similarity", "norm", "learning rate", "count", "steps", "parameters"
]


class PublishedError(InputError):
    """A file of published numbers is wrong, or is asked for something that it cannot hold."""


def _canonical(code: str) -> str:
    if code not in (MEAN, MEAN_NON_SOURCE) and Language.parse(code).code != code:
        raise ValueError(f"the canonical code of {code!r} is {Language.parse(code).code!r}")
    return code


Code = Annotated[str, AfterValidator(_canonical)]


class PublishedFields(Config):
    """What is known of a cell. A cell's fields come from the paper, its table, its row's labels and its column."""

    kind: Literal["value", "difference"] | None = None
    """``difference``: the cell is one figure minus another, not a figure."""
    task: str | None = None
    backbone: str | None = None
    method: str | None = None
    adaptation: str | None = None
    """What is trained, where ``method`` says something else about the run: ``prompt`` beside ``mixing``."""
    learning_rate: float | None = None
    source_languages: tuple[Code, ...] | None = None
    language: Code | None = None
    metric: str | None = None
    unit: Unit | None = None
    split: str | None = None
    seeds: int | None = None
    details: Mapping[str, str | int | float] = {}
    """Whatever else tells cells apart: a layer, the number of prompt tokens."""


CheckpointRule = Literal["last", "source", "target", "xlrs"]
"""How a reported checkpoint was selected: see :func:`xlgen.experiments.as_published.reported`."""


class Fact(Config):
    """A point of a paper's protocol."""

    value: str | int | float | None
    """None: the paper does not say."""
    where: str = ""
    note: str = ""
    rule: CheckpointRule | None = None
    """For the point ``checkpoint`` alone."""


class BackboneFacts(Config):
    """A backbone as a paper used it."""

    family: str
    parameters: int | None
    """None: the paper does not say."""
    names: tuple[str, ...] = ()
    """Further ids under which the same size is published."""
    note: str = ""


class TaskFacts(Config):
    """A task as a paper used it."""

    family: str
    """What kind of text is to be written: tasks of one family may be set side by side."""
    data: str
    note: str = ""
    protocol: Mapping[str, Fact] = {}
    """Points that are otherwise for this task."""


class TableFile(Config):
    """A table as printed, and what its labels mean."""

    where: str
    """``Table 8``."""
    title: str
    rows: tuple[str, ...] = Field(min_length=1)
    """The heads of the columns that hold labels, from the left."""
    cells: PublishedFields = PublishedFields()
    labels: Mapping[str, Mapping[str, PublishedFields]] = {}
    """Head of a label column -> label -> what it means; what is missing here is looked up in the paper's."""
    columns: Mapping[str, PublishedFields] = {}
    """Head of a column of figures -> what it means; a head that is missing here must be a language."""
    grid: str
    notes: tuple[str, ...] = ()
    """Where the paper errs, and where its text was damaged and how it was read."""


class StatementFile(Config):
    """A sentence with figures in it."""

    where: str
    quote: str
    figures: tuple[dict[str, Any], ...] = Field(min_length=1)
    """Each a ``value`` and the fields of a cell."""
    notes: tuple[str, ...] = ()


class LeftOut(Config):
    """A table or figure that gives no cells, and why."""

    where: str
    why: str


class PaperFile(Config):
    """A file of published numbers."""

    key: str
    citation: str
    title: str
    arxiv: str
    source: str
    """Which text the numbers were read from."""
    protocol: dict[str, Fact]
    backbones: dict[str, BackboneFacts]
    tasks: dict[str, TaskFacts]
    metrics: dict[str, str]
    """Metric -> how the paper defines it. A name of xlgen's stands where it is the same metric."""
    cells: PublishedFields = PublishedFields()
    labels: Mapping[str, Mapping[str, PublishedFields]] = {}
    tables: tuple[TableFile, ...]
    statements: tuple[StatementFile, ...] = ()
    left_out: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """One published number."""

    paper: str
    where: str
    row: str
    """The row's labels as printed, empty for a statement."""
    column: str
    printed: str
    """The number as printed, without its spread."""
    value: float
    spread: float | None
    """The standard deviation over seeds, where printed."""
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
        """How many digits after the point are printed."""
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
    """A paper with all its numbers, and how it came by them."""

    about: PaperFile = field(repr=False)
    tables: tuple[PublishedTable, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """``C``, ``V``, ``L`` or ``J``."""
        return self.about.key

    def fact(self, name: str, task: str | None = None) -> Fact | None:
        """A point of the paper's protocol, for ``task`` where that is another; None for one that does not arise."""
        own = self.about.tasks[task].protocol if task in self.about.tasks else {}
        return own.get(name) or self.about.protocol.get(name)

    @property
    def cells(self) -> tuple[PublishedCell, ...]:
        """Every number, table by table."""
        return tuple(cell for table in self.tables for cell in table.cells)
