"""Plots of metrics against what a study varies: the learning rate, a number in the recipe, the model size."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes

from xlgen.report.comparison import CHOSEN, RATE_LIMITS
from xlgen.report.drawing import DrawingOptions, Palette, Plot, draw_figure, latin, legend, name_axes, or_nan, to_svg
from xlgen.report.groups import Line, mean_and_deviation, setting_labels, settings
from xlgen.report.tables import LANGUAGE_RATE, metric_name
from xlgen.runs.files import finite
from xlgen.runs.rows import MEAN, Results, mean
from xlgen.runs.runs import Run, rate_text, short_backbone

# The size in a backbone's name: google/mt5-base, nllb-200-distilled-600M.
_SIZE = re.compile(r"[-_.](small|base|large|xx?l|\d+(\.\d+)?[mb])\b", re.IGNORECASE)
# With more lines than this, the legend names each line only once.
_FEW = 4
# Most tick labels that fit the width of a panel.
_MOST_TICKS = 9


@dataclass(frozen=True)
class Series:
    """A line of a plot: its x positions, and the values there with their spread over seeds."""

    name: str
    method: str
    number: int
    at: list[float]
    others: dict[str, list[tuple[float | None, float]]]
    """Values by metric, averaged over the languages without labels."""
    source: dict[str, list[tuple[float | None, float]]]


def learning_rates(results: Results, palette: Palette) -> Plot | None:
    """The task's metric and the correct-language rate against the learning rate, one colour per method.

    Like Figure 1 of Chirkova et al. (2023).
    """
    rates = sorted({run.learning_rate for run in results.runs if run.learning_rate is not None and run.figures})
    if len(rates) < 2:
        return None
    series = [_by_rate(results, line) for line in settings(results)]
    note = f"At each run's last evaluation, averaged over seeds. {_DOTTED}"
    ticks = [(rate, rate_text(rate)) for rate in rates]
    return _draw(results, palette, [each for each in series if each.at], ticks, "learning rate", note)


def by_settings(results: Results, palette: Palette) -> list[Plot | None]:
    """One plot for each number in the recipe that differs between a method's runs, such as the prompt length.

    Like Figure 2 of Vu et al. (2022).
    """
    compared = settings(results)
    keys = dict.fromkeys(key for line in compared for key in line.settings)
    return [_by_setting(results, palette, compared, key) for key in keys]


def by_size(results: Results, palette: Palette) -> Plot | None:
    """Metrics against the number of parameters, for backbones of one family (Vu et al. 2022, Figure 2)."""
    groups: dict[tuple[str, ...], list[tuple[float, Line]]] = {}
    for line in settings(results):
        size = finite(line.picks[0].run.start.get("parameters"))
        if size and line.picks[0].run.learning_rate is not None:
            family = _SIZE.sub("", line.backbone)
            groups.setdefault((line.method, family, json.dumps(line.settings)), []).append((size, line))
    several = [points for points in groups.values() if len({line.backbone for _, line in points}) > 1]
    if not several:
        return None
    sizes = {line.backbone: size for points in several for size, line in points}
    ticks = [(size, short_backbone(name)) for name, size in sizes.items()]
    series = [_of_lines(results, points, _without_size(points[0][1])) for points in several]
    return _draw(results, palette, series, ticks, "parameters", f"{CHOSEN} {_DOTTED}")


_DOTTED = "Solid lines: the other languages; dotted lines: the source language."


def _by_setting(results: Results, palette: Palette, compared: Sequence[Line], key: str) -> Plot | None:
    """Metrics against the recipe's number ``key``; settings that differ only in it form one line."""
    groups: dict[str, list[tuple[float, Line]]] = {}
    for line in compared:
        if key in line.settings:
            rest = {name: value for name, value in line.settings.items() if name != key}
            alike = json.dumps([line.method, line.backbone, rest])
            groups.setdefault(alike, []).append((float(line.settings[key]), line))
    several = [points for points in groups.values() if len({at for at, _ in points}) > 1]
    if not several:
        return None
    name = key.rsplit(".", 1)[-1]
    series = [_of_lines(results, points, _name(points[0][1], key)) for points in several]
    ticks = [(at, f"{at:g}") for at in sorted({at for points in several for at, _ in points})]
    return _draw(results, palette, series, ticks, name.replace("_", " "), f"{CHOSEN} {_DOTTED}")


def _name(line: Line, key: str) -> str:
    """The line's label without the number that the axis shows."""
    (number,) = setting_labels({key: line.settings[key]})
    return line.label.replace(f" {number}", "")


def _without_size(line: Line) -> str:
    """The line's label without its backbone, because the axis shows the backbone's size."""
    return " ".join([line.method, *setting_labels(line.settings)])


def _of_lines(results: Results, points: Sequence[tuple[float, Line]], name: str) -> Series:
    points = sorted(points, key=lambda point: point[0])
    others = [code for code in results.languages() if code not in results.sources]
    found = [
        {m: [mean_and_deviation(line.values(results, codes, m)) for _, line in points] for m in _metrics(results)}
        for codes in (others, list(results.sources))
    ]
    first = points[0][1]
    return Series(name, first.method, first.number, [at for at, _ in points], *found)


def _by_rate(results: Results, line: Line) -> Series:
    """All runs of a setting, averaged over seeds at each learning rate."""
    by_rate: dict[float, list[Run]] = {}
    for run in line.tried:
        if run.learning_rate is not None:
            by_rate.setdefault(run.learning_rate, []).append(run)
    rates = sorted(by_rate)
    others = {m: [(mean(results.value(r, MEAN, m) for r in by_rate[x]), 0.0) for x in rates] for m in _metrics(results)}
    source = {
        m: [(mean(results.source_value(r, m) for r in by_rate[x]), 0.0) for x in rates] for m in _metrics(results)
    }
    return Series(line.label, line.method, line.number, rates, others, source)


def _metrics(results: Results) -> tuple[str, str]:
    return results.runs[0].main_metric, LANGUAGE_RATE


def _draw(
    results: Results, palette: Palette, series: Sequence[Series], ticks: Sequence[tuple[float, str]], x: str, note: str
) -> Plot:
    places = [at for at, _ in ticks]
    log = min(places) > 0 and max(places) >= 8 * min(places)
    with draw_figure(1, 2, (8.2, 3.1)) as (figure, axes):
        for axis, metric in zip(axes, _metrics(results), strict=True):
            for each in series:
                _draw_series(axis, each, metric, palette, few=len(series) <= _FEW)
            if log:
                axis.set_xscale("log")
                axis.minorticks_off()
            axis.set_xticks(places, [latin(text) for text in _apart(ticks, log)])
            name_axes(axis, f"{x} (log scale)" if log else x, f"{metric_name(metric)} (%)")
        axes[1].set_ylim(*RATE_LIMITS)
        legend(figure, axes[0])
        svg = to_svg(figure, f"Metrics against {x}")
    return Plot(f"By {x}", note, svg)


def _apart(ticks: Sequence[tuple[float, str]], log: bool) -> list[str]:
    """The tick labels, blank where they would overlap a neighbor; powers of ten have priority on a log scale."""
    places = [math.log10(at) if log else at for at, _ in ticks]
    room = (max(places) - min(places)) / _MOST_TICKS
    kept: list[int] = []
    for number in sorted(range(len(ticks)), key=lambda number: (not (log and places[number].is_integer()), number)):
        if all(abs(places[number] - places[other]) >= room for other in kept):
            kept.append(number)
    return [text if number in kept else "" for number, (_, text) in enumerate(ticks)]


def _draw_series(axis: Axes, each: Series, metric: str, palette: Palette, few: bool) -> None:
    """Draw a solid line for the other languages and a dotted one for the source language."""
    look: DrawingOptions = {
        "color": palette.colour(each.method, each.number),
        "marker": palette.marker(each.method, each.number),
    }
    values, spread = zip(*each.others[metric], strict=True)
    others = [or_nan(value) for value in values]
    axis.plot(each.at, others, **look, label=latin(f"{each.name}, other languages" if few else each.name))
    if any(spread):
        axis.errorbar(each.at, others, yerr=spread, fmt="none", ecolor=look["color"], elinewidth=0.9)
    source = [or_nan(value) for value, _ in each.source[metric]]
    name = latin(f"{each.name}, source") if few else "_"  # matplotlib omits labels that begin with "_"
    axis.plot(each.at, source, **look, linestyle=":", markerfacecolor="none", label=name)
