"""Figures as plain data. :mod:`xlgen.report.analysis_figures` draws them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Panel:
    """One heat map."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str]
    values: NDArray[np.float64]
    """Shape (rows, columns), the first row on top. NaN is left blank."""


@dataclass(frozen=True)
class Heatmaps:
    """Heat maps with a common colour scale."""

    name: str
    """The name of the file, without its suffix."""
    title: str
    panels: tuple[Panel, ...]
    across: int = 4
    """Panels in a row."""
    limits: tuple[float | None, float | None] = (None, 1.0)
    """Limits of the colour scale; None means the smallest or largest value."""
    axes: tuple[str, str] = ("", "")
    """Labels of the rows and of the columns."""


@dataclass(frozen=True)
class Line:
    """One line of a chart."""

    name: str
    x: Sequence[float]
    y: Sequence[float]
    group: int
    """Lines of one group have the same colour."""
    dashed: bool = False


@dataclass(frozen=True)
class Chart:
    """Lines in common axes."""

    title: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class LineCharts:
    """A grid of line charts with shared axes and one legend."""

    name: str
    """The name of the file, without its suffix."""
    title: str
    charts: tuple[tuple[Chart, ...], ...]
    """By row of the grid; all rows have the same length."""
    axes: tuple[str, str]
    """Labels of x and y."""
    limits: tuple[float, float]
    """Limits of y."""


@dataclass(frozen=True)
class Dendrogram:
    """A clustering: its tree, next to the similarities of its leaves."""

    name: str
    """The name of the file, without its suffix."""
    title: str
    leaves: tuple[str, ...]
    """In the order of the tree."""
    values: NDArray[np.float64]
    """Similarities: (leaves, leaves), with 1 on the diagonal."""
    tree: NDArray[np.float64]
    """A linkage matrix of scipy: (leaves - 1, 4)."""
    distance: str
    """The label of the tree's axis."""
    groups: tuple[str, ...]
    """For each leaf, the group that sets the colour of its name."""
    marks: tuple[str, ...]
    """For each leaf, the group that sets the colour of its square."""
    legends: tuple[str, str]
    """The titles of the legends of ``groups`` and ``marks``."""


Figure: TypeAlias = Heatmaps | LineCharts | Dendrogram
