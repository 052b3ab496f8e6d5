"""Plots of metrics against training steps: averages, and one panel per language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from xlgen.core.languages import language_name
from xlgen.report.drawing import INK, Palette, Plot, draw_figure, latin, legend, name_axes, to_svg
from xlgen.report.groups import Line, is_large, lines
from xlgen.report.tables import LANGUAGE_RATE, metric_name
from xlgen.runs.rows import MEAN, Results, mean

Point: TypeAlias = tuple[int, float, float, float]
"""A step, the mean over seeds, the lowest and the highest of them."""

AGGREGATED = (
    "There are too many runs to show each. A line is the mean over the seeds of one setting at the learning rate that "
    "target labels choose; the band shows the range over seeds."
)


def curves(results: Results, palette: Palette) -> Plot | None:
    """The task's metric and the correct-language rate against training steps, averaged over the other languages."""
    drawn = lines(results)
    series = {m: _series(results, drawn, MEAN, m) for m in (results.runs[0].main_metric, LANGUAGE_RATE)}
    if not any(any(points) for points in series.values()):
        return None
    with draw_figure(1, 2, (8.2, 3.1)) as (figure, axes):
        for axis, (name, points) in zip(axes, series.items(), strict=True):
            _draw(axis, drawn, points, palette)
            name_axes(axis, "training steps", f"{metric_name(name)} (%)")
        axes[1].set_ylim(-3, 103)
        legend(figure, axes[0])
        svg = to_svg(figure, "Training curves, mean over the languages without labels")
    note = "Mean over the languages without labels. A dashed horizontal line is a run without training."
    return Plot("While training", _note(results, note), svg)


def languages_curves(results: Results, palette: Palette) -> Plot | None:
    """The task's metric against training steps, one panel per language (Chirkova et al. 2023, Figures 3 and 4)."""
    metric = results.runs[0].main_metric
    name = metric_name(metric)
    return _panels(results, palette, metric, f"{name} while training, language by language", f"{name} (%)", None)


def rate_curves(results: Results, palette: Palette) -> Plot | None:
    """The correct-language rate against training steps, one panel per language."""
    title = "Right language while training, language by language"
    return _panels(results, palette, LANGUAGE_RATE, title, f"{metric_name(LANGUAGE_RATE)} (%)", (-3, 103))


def ascii_curves(results: Results, palette: Palette) -> Plot | None:
    """The share of ASCII characters against training steps, one panel per language (Vu et al. 2022, Figure 3)."""
    title = "ASCII characters while training, language by language"
    return _panels(results, palette, "ascii_rate", title, "ASCII characters (%)", (-3, 103))


def length_curves(results: Results, palette: Palette) -> Plot | None:
    """Mean output length against training steps, one panel per language (Chirkova et al. 2023, Figures 3 and 4)."""
    title = "Lengths of outputs while training, language by language"
    return _panels(results, palette, "prediction_length", title, "mean length", None, "reference_length")


def xlrs_curves(results: Results, palette: Palette) -> Plot | None:
    """XLRS against training steps, one panel per language (Li and Murray 2023, Figures 1 to 3 and 6)."""
    title = "Similarity to the source language while training (XLRS), language by language"
    return _panels(results, palette, "xlrs", title, "XLRS", None)


def _panels(
    results: Results,
    palette: Palette,
    metric: str,
    title: str,
    label: str,
    limits: tuple[float, float] | None,
    reference: str | None = None,
) -> Plot | None:
    """One panel per language. ``reference`` is a metric of the references, drawn as a dotted horizontal line."""
    drawn = lines(results)
    series = {code: _series(results, drawn, code, metric) for code in results.languages()}
    series = {code: points for code, points in series.items() if any(points)}
    if not any(len(found) > 1 for points in series.values() for found in points):
        return None
    columns = min(4, len(series))
    rows = math.ceil(len(series) / columns)
    with draw_figure(rows, columns, (8.2, 0.5 + 1.45 * rows), shared=True) as (figure, axes):
        for axis, (code, points) in zip(axes, series.items(), strict=False):
            _draw(axis, drawn, points, palette)
            level = _level(results, code, reference) if reference else None
            if level is not None:
                axis.axhline(level, color=INK, linestyle=":", linewidth=1.2, label="references")
            axis.set_title(latin(language_name(code)))
        for axis in axes[max(0, len(series) - columns) : len(series)]:  # the lowest panel of each column
            axis.set_xlabel("training steps")
            axis.tick_params(labelbottom=True)
        for axis in axes[len(series) :]:
            axis.set_visible(False)
        if limits:
            axes[0].set_ylim(*limits)
        figure.supylabel(label, fontsize=9)
        legend(figure, axes[0])
        svg = to_svg(figure, title)
    return Plot(title, _note(results, "One panel per language, all with the same scale."), svg)


def _level(results: Results, code: str, metric: str) -> float | None:
    """The mean over runs of a metric that does not change during training."""
    return mean(results.value(run, code, metric) for run in results.runs)


def _note(results: Results, note: str) -> str:
    return f"{note} {AGGREGATED}" if is_large(results) else note


def _series(results: Results, drawn: Sequence[Line], language: str, metric: str) -> list[list[Point]]:
    """The points of a metric for each line."""
    return [_points(results, line, language, metric) for line in drawn]


def _points(results: Results, line: Line, language: str, metric: str) -> list[Point]:
    steps = sorted({figure["step"] for run in line.runs for figure in run.figures})
    found = []
    for step in steps:
        values = [value for run in line.runs if (value := results.value(run, language, metric, step)) is not None]
        average = mean(values)
        if average is not None:
            found.append((step, average, min(values), max(values)))
    return found


def _draw(axis: Axes, drawn: Sequence[Line], series: Sequence[Sequence[Point]], palette: Palette) -> None:
    for line, points in zip(drawn, series, strict=True):
        if not points:
            continue
        steps, values, low, high = zip(*points, strict=True)
        style, name = palette.style(line.method, line.number), latin(line.label)
        if all(run.learning_rate is None for run in line.runs):  # without training, the values hold for every step
            axis.axhline(values[-1], color=style["color"], linestyle=(0, (5, 3)), linewidth=1.2, label=name)
            continue
        axis.plot(steps, values, **style, label=name)
        if low != high:
            axis.fill_between(steps, low, high, color=style["color"], alpha=0.15, linewidth=0)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4, steps=[1, 2, 2.5, 5, 10]))
