"""Plots that compare methods and backbones, each at the learning rate and evaluation that target labels choose."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from matplotlib.axes import Axes

from xlgen.core.languages import language_name
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
from xlgen.report.groups import Line, mean_and_deviation, settings
from xlgen.report.tables import LANGUAGE_RATE, metric_name
from xlgen.runs.rows import Results
from xlgen.runs.runs import short_backbone

CHOSEN = (
    "Each setting at the learning rate and the evaluation that target labels choose for each seed: the mean over "
    "seeds, with the standard deviation if there are several."
)
RATE_LIMITS = (-3, 103)
# Characters that fit below a small panel.
_LEGIBLE = 24
_ERRORS = {"ecolor": INK, "elinewidth": 0.9, "capsize": 1.5}


def comparisons(results: Results, palette: Palette) -> list[Plot | None]:
    """The plots of this module; None for a plot that has nothing to compare."""
    compared = settings(results)
    if len(compared) < 2:
        return []
    rate = metric_name(LANGUAGE_RATE)
    return [
        methods(results, compared, palette),
        by_language(results, compared, palette),
        models(results, compared, palette, results.runs[0].main_metric, "Models compared, language by language"),
        models(results, compared, palette, LANGUAGE_RATE, f"Models compared: {rate.lower()}, language by language"),
    ]


def methods(results: Results, compared: Sequence[Line], palette: Palette) -> Plot | None:
    """The metric in the source and in the other languages, and the correct-language rate, as bars.

    Like Figure 2 of Chirkova et al. (2023) and Figure 6 of Vu et al. (2022).
    """
    metric, others = results.runs[0].main_metric, _others(results)
    panels = [
        (f"{metric_name(metric)},\nsource language", metric, list(results.sources)),
        (f"{metric_name(metric)},\nother languages", metric, others),
        (f"{metric_name(LANGUAGE_RATE)},\nother languages", LANGUAGE_RATE, others),
    ]
    places = _places(compared)
    with draw_figure(1, 3, (8.2, 0.95 + 0.24 * (places[-1] + 1))) as (figure, axes):
        for axis, (title, name, codes) in zip(axes, panels, strict=True):
            values = [mean_and_deviation(line.values(results, codes, name)) for line in compared]
            for at, line, (value, spread) in zip(places, compared, values, strict=True):
                axis.barh(
                    at, or_nan(value), height=0.75, color=palette.colour(line.method, line.number),
                    hatch=palette.hatch(line.method), xerr=spread or None, error_kw=_ERRORS,
                )  # fmt: skip
            axis.set_title(title)
            axis.set_xlabel("%")
            axis.set_yticks(places, [latin(line.label) for line in compared] if axis is axes[0] else [])
            axis.set_ylim(places[-1] + 0.6, -0.6)
            axis.grid(axis="y", visible=False)
        right = max(axis.get_xlim()[1] for axis in axes[:2])
        for axis in axes[:2]:
            axis.set_xlim(0, right)
        axes[2].set_xlim(0, 103)
        svg = to_svg(figure, "Methods compared")
    return Plot("Methods compared", CHOSEN, svg)


def by_language(results: Results, compared: Sequence[Line], palette: Palette) -> Plot | None:
    """The metric and the correct-language rate of each method, one row per language.

    Like Figures 2 and 4 of Vu et al. (2022).
    """
    codes = results.languages()[::-1]
    size = (8.2, 1.3 + (0.2 + 0.035 * len(compared)) * len(codes))
    with draw_figure(1, 2, size) as (figure, axes):
        for axis, metric in zip(axes, (results.runs[0].main_metric, LANGUAGE_RATE), strict=True):
            for number, line in enumerate(compared):
                at = [i + 0.3 - 0.6 * (number + 0.5) / len(compared) for i in range(len(codes))]
                found = [mean_and_deviation(line.values(results, [code], metric)) for code in codes]
                axis.errorbar(
                    [or_nan(value) for value, _ in found], at, xerr=[spread for _, spread in found], linestyle="",
                    marker=palette.marker(line.method, line.number), color=palette.colour(line.method, line.number),
                    elinewidth=0.9, label=latin(line.label),
                )  # fmt: skip
            _name_rows(axis, codes if axis is axes[0] else [], len(codes))
            name_axes(axis, f"{metric_name(metric)} (%)", "")
        axes[0].set_xlim(left=0)
        axes[1].set_xlim(*RATE_LIMITS)
        legend(figure, axes[0])
        svg = to_svg(figure, "Methods compared, language by language")
    return Plot("Methods compared, language by language", CHOSEN, svg)


def models(results: Results, compared: Sequence[Line], palette: Palette, metric: str, title: str) -> Plot | None:
    """A metric by backbone, with a bar per method and a panel per language.

    Like Figures 3 and 4 of Chirkova et al. (2023), but at the chosen evaluation.
    """
    backbones = list(dict.fromkeys(line.backbone for line in compared if line.picks[0].run.learning_rate is not None))
    if len(backbones) < 2:
        return None
    codes = results.languages()
    columns = min(4, len(codes))
    rows = math.ceil(len(codes) / columns)
    groups = [[line for line in compared if line.backbone == backbone] for backbone in backbones]
    names = [latin(short_backbone(name)) for name in backbones]
    slant: DrawingOptions = {"rotation": 30, "ha": "right"} if sum(map(len, names)) > _LEGIBLE else {}
    with draw_figure(rows, columns, (8.2, 0.6 + 1.45 * rows), shared=True) as (figure, axes):
        for axis, code in zip(axes, codes, strict=False):
            for place, members in enumerate(groups):
                _cluster(axis, results, place, members, code, metric, palette)
            axis.set_title(latin(language_name(code)))
            axis.set_xticks(range(len(groups)), names, **slant)
            axis.grid(axis="x", visible=False)
        for axis in axes[max(0, len(codes) - columns) : len(codes)]:  # the lowest panel of each column
            axis.tick_params(labelbottom=True)
        for axis in axes[len(codes) :]:
            axis.set_visible(False)
        axes[0].set_ylim(0, 103 if metric == LANGUAGE_RATE else None)
        figure.supylabel(f"{metric_name(metric)} (%)", fontsize=9)
        _legend_of_methods(figure_axis=axes[0], groups=groups, palette=palette)
        legend(figure, axes[0])
        svg = to_svg(figure, title)
    order = " Bars of one colour are in the order of the methods above." if any(x.settings for x in compared) else ""
    return Plot(title, f"One panel per language, all with the same scale. {CHOSEN}{order}", svg)


def _cluster(
    axis: Axes, results: Results, place: int, members: Sequence[Line], code: str, metric: str, palette: Palette
) -> None:
    """Draw the bars of one backbone."""
    width = 0.8 / len(members)
    for number, line in enumerate(members):
        value, spread = mean_and_deviation(line.values(results, [code], metric))
        axis.bar(
            place - 0.4 + width * (number + 0.5), or_nan(value), width=0.92 * width, yerr=spread or None,
            color=palette.colour(line.method), hatch=palette.hatch(line.method), error_kw=_ERRORS,
        )  # fmt: skip


def _legend_of_methods(figure_axis: Axes, groups: Sequence[Sequence[Line]], palette: Palette) -> None:
    """Add one empty bar per method, so that the legend names the methods; the axis names the backbones."""
    for method in dict.fromkeys(line.method for members in groups for line in members):
        figure_axis.bar([0], [0], color=palette.colour(method), hatch=palette.hatch(method), label=latin(method))


def _name_rows(axis: Axes, codes: Sequence[str], count: int) -> None:
    axis.set_yticks(range(count), [latin(f"{language_name(code)} ({code})") for code in codes] or [""] * count)
    axis.set_ylim(-0.6, count - 0.4)
    for edge in range(count - 1):
        axis.axhline(edge + 0.5, color=INK, alpha=0.12, linewidth=0.6)
    axis.grid(axis="y", visible=False)


def _places(compared: Sequence[Line]) -> list[float]:
    """The positions of the bars, from the top, with a gap between backbones."""
    found, at = [0.0], 0.0
    for before, line in pairwise(compared):
        at += 1.0 if before.backbone == line.backbone else 1.6
        found.append(at)
    return found


def _others(results: Results) -> list[str]:
    return [code for code in results.languages() if code not in results.sources]
