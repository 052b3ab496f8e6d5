"""Grids of line charts as SVG or PNG files."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from xlgen.analysis.figures import Chart, LineCharts
from xlgen.report.heatmaps import STYLE, save

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARGIN = 0.03


def draw_line_charts(found: LineCharts, path: Path) -> Path:
    """Write the charts of ``found`` to ``path``, whose suffix sets the format."""
    down, across = len(found.charts), len(found.charts[0])
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.9 * across + 0.6, 1.6 * down + 1.0), layout="constrained")
        axs = figure.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for row, charts in zip(axs, found.charts, strict=True):
            for axis, chart in zip(row, charts, strict=True):
                _draw(axis, chart)
                axis.set_ylim(found.limits[0] - _MARGIN, found.limits[1] + _MARGIN)
            row[0].set_ylabel(found.axes[1])
        for axis in axs[-1]:
            axis.set_xlabel(found.axes[0])
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, names = axs[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=7)
        figure.suptitle(found.title, x=0.01, ha="left", fontsize=9)
        return save(figure, path)


def _draw(axis: Axes, chart: Chart) -> None:
    for line in chart.lines:
        dash, mark = ("--", "s") if line.dashed else ("-", "o")
        colour = _COLOURS[line.group % len(_COLOURS)]
        axis.plot(line.x, line.y, linestyle=dash, marker=mark, markersize=3, color=colour, label=line.name)
    axis.set_title(chart.title, loc="left", fontsize=8)
    axis.grid(alpha=0.25)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
