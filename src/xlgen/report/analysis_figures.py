"""Draw the figures of analyses."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from xlgen.analysis.figures import Dendrogram, Figure, Heatmaps, LineCharts
from xlgen.report.dendrograms import draw_dendrogram
from xlgen.report.heatmaps import draw_heatmaps
from xlgen.report.line_charts import draw_line_charts


def draw(figure: Figure, folder: Path) -> Path:
    """Write ``figure`` into ``folder`` as an SVG file with its name."""
    path = folder / f"{figure.name}.svg"
    match figure:
        case Heatmaps():
            return draw_heatmaps(figure, path)
        case LineCharts():
            return draw_line_charts(figure, path)
        case Dendrogram():
            return draw_dendrogram(figure, path)
        case _:
            assert_never(figure)
