"""Heat maps as SVG or PNG files: panels with a common colour scale, and numbers in the cells if they fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure
from numpy.typing import NDArray

from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.core.registry import InputError
from xlgen.report.drawing import DrawingSettings
from xlgen.runs.files import write_atomically

_CELL = 0.34
"""Inches."""
_MOST_NUMBERS = 400
"""A panel with more cells than this shows no numbers, which would not be readable."""
STYLE: DrawingSettings = {
    "font.family": "sans-serif",
    "font.size": 8,
    "svg.hashsalt": "xlgen",
    "text.parse_math": False,
}


def draw_heatmaps(found: Heatmaps, path: Path) -> Path:
    """Write the panels of ``found`` to ``path``, whose suffix sets the format.

    Raises InputError if there are no panels or matplotlib does not support the format.
    """
    panels = found.panels
    if not panels:
        raise InputError("there is nothing to draw")
    low, high = _limits(panels, found.limits)
    across = min(found.across, len(panels))
    down = -(-len(panels) // across)
    width = max(len(panel.columns) for panel in panels) * _CELL + 0.7
    height = max(len(panel.rows) for panel in panels) * _CELL * 0.8 + 0.6
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(across * width + 0.9, down * height + 0.5), layout="constrained")
        axs = figure.subplots(down, across, squeeze=False)
        for axis, panel in zip(axs.flat, panels, strict=False):
            image = _panel(axis, panel, low, high)
            axis.set_ylabel(found.axes[0])
            axis.set_xlabel(found.axes[1])
        for axis in list(axs.flat)[len(panels) :]:
            axis.set_axis_off()
        add_scale(figure, image, axs, shrink=0.8, pad=0.01)
        if found.title:
            figure.suptitle(found.title, x=0.01, ha="left", fontsize=9)
        return save(figure, path)


def add_scale(figure: Figure, image: QuadMesh, axes: Axes | np.ndarray, **where: Any) -> None:
    """Add a colour bar, drawn as vector shapes like the cells."""
    solids = figure.colorbar(image, ax=axes, **where).solids
    if solids is not None:
        solids.set_rasterized(False)
        solids.set_edgecolor("face")


def save(figure: Figure, path: Path) -> Path:
    """Write the figure; equal figures give equal files. Raises InputError for an unsupported file format."""
    drawn = BytesIO()
    kind = path.suffix.removeprefix(".") or None
    try:
        figure.savefig(drawn, format=kind, dpi=150, metadata={"Date": None} if kind == "svg" else None)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    return write_atomically(path, drawn.getvalue())


def _limits(panels: Sequence[Panel], limits: tuple[float | None, float | None]) -> tuple[float, float]:
    values = np.concatenate([np.ravel(panel.values) for panel in panels])
    values = values[np.isfinite(values)]
    low, high = limits
    low = float(values.min(initial=0.0 if not len(values) else values[0])) if low is None else low
    high = float(values.max(initial=1.0 if not len(values) else values[0])) if high is None else high
    return (low, high) if high > low else (low - 0.5, low + 0.5)


def _panel(axis: Axes, panel: Panel, low: float, high: float) -> QuadMesh:
    axis.set_title(panel.title, loc="left", fontsize=8)
    return cells(axis, panel.values, panel.rows, panel.columns, low, high)


def cells(
    axis: Axes, values: NDArray[np.float64], rows: Sequence[str], columns: Sequence[str], low: float, high: float
) -> QuadMesh:
    """Draw a matrix as coloured cells (vector shapes), the first row on top, with numbers if they fit."""
    mesh = axis.pcolormesh(np.ma.masked_invalid(values), cmap="viridis", vmin=low, vmax=high, edgecolors="face")
    mesh.set_linewidth(0.2)  # otherwise thin gaps show between cells
    axis.invert_yaxis()
    axis.set_xticks(np.arange(len(columns)) + 0.5, columns)
    axis.set_yticks(np.arange(len(rows)) + 0.5, rows)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    if values.size <= _MOST_NUMBERS:
        for (row, column), value in np.ndenumerate(values):
            if math.isfinite(value):
                ink = "white" if value < low + 0.6 * (high - low) else "black"
                axis.text(column + 0.5, row + 0.5, _short(value), ha="center", va="center", color=ink, fontsize=6)
    return mesh


def _short(value: float) -> str:
    """A number in at most four characters: ``.93``, ``1.0``, ``-.02``, ``12.3``."""
    if abs(value) >= 9.995:
        return f"{value:.1f}"
    text = f"{value:.2f}"
    return "1.0" if text == "1.00" else text.replace("0.", ".", 1) if abs(value) < 1 else text
