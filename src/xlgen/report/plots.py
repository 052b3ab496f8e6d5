"""The report's plots, as SVG embedded in the page."""

from __future__ import annotations

from xlgen.core.languages import language_name
from xlgen.report.ablation_plots import by_settings, by_size, learning_rates
from xlgen.report.comparison import comparisons
from xlgen.report.curves import ascii_curves, curves, languages_curves, length_curves, rate_curves, xlrs_curves
from xlgen.report.drawing import (
    INK,
    DrawingOptions,
    Palette,
    Plot,
    draw_figure,
    latin,
    legend,
    name_axes,
    or_nan,
    to_svg,
)
from xlgen.report.faults import faults
from xlgen.report.groups import is_large, lines, mean_and_deviation
from xlgen.runs.rows import Results

__all__ = ["Palette", "Plot", "all_plots"]


def all_plots(results: Results, palette: Palette | None = None) -> list[Plot]:
    """All plots for which the runs on one task have data.

    ``palette`` gives each method its colour; pass the whole study's palette to make tasks comparable.
    """
    palette = palette or Palette.of(results.runs)
    found = (
        *comparisons(results, palette),
        learning_rates(results, palette),
        *by_settings(results, palette),
        by_size(results, palette),
        curves(results, palette),
        languages_curves(results, palette),
        rate_curves(results, palette),
        ascii_curves(results, palette),
        length_curves(results, palette),
        xlrs_curves(results, palette),
        faults(results),
        lengths(results, palette),
    )
    return [plot for plot in found if plot]


def lengths(results: Results, palette: Palette) -> Plot | None:
    """The mean lengths of predictions and references, one row per language."""
    languages = results.languages()[::-1]
    shown = [line for line in lines(results) if any(line.values(results, [c], "prediction_length") for c in languages)]
    if not shown:
        return None
    with draw_figure(1, 1, (8.2, 1.1 + (0.2 + 0.03 * len(shown)) * len(languages))) as (figure, axes):
        axis = axes[0]
        for number, line in enumerate(shown):
            at = [i + 0.22 - 0.44 * (number + 0.5) / len(shown) for i in range(len(languages))]
            values = [
                or_nan(mean_and_deviation(line.values(results, [code], "prediction_length"))[0]) for code in languages
            ]
            look: DrawingOptions = {
                "marker": palette.marker(line.method, line.number),
                "color": palette.colour(line.method, line.number),
            }
            axis.plot(values, at, linestyle="", **look, label=latin(line.label))
        references = [
            or_nan(
                mean_and_deviation([v for line in shown for v in line.values(results, [code], "reference_length")])[0]
            )
            for code in languages
        ]
        rows = range(len(languages))
        axis.plot(
            references, rows, linestyle="", marker="|", markersize=13, markeredgewidth=2, color=INK, label="references"
        )
        axis.set_yticks(rows, [latin(f"{language_name(code)} ({code})") for code in languages])
        axis.set_ylim(-0.6, len(languages) - 0.4)
        axis.set_xlim(left=0)
        axis.grid(axis="y", visible=False)
        name_axes(axis, "mean length (words; characters where no spaces separate words)", "")
        legend(figure, axis)
        svg = to_svg(figure, "Mean lengths of predictions and references by language")
    when = "At the rates that target labels choose" if is_large(results) else "At each run's last evaluation"
    return Plot("Lengths", f"{when}. Outputs that stop early or do not stop show here.", svg)
