"""The report's plots, as SVG to stand within the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from xlgen.report.tables import LANGUAGE_RATE, any_number, language_name, metric_name
from xlgen.results.rows import MEAN, Results, mean
from xlgen.results.runs import Run, labels, rate_text

# Okabe and Ito's colours, which the colour-blind can tell apart, without the two that fade on white or on black.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C8C8C")
_DASHES = ("-", "--", ":", "-.")
_MARKERS = "os^Dv<>P"
# Stands for the colour of the page's text, which is another one in the dark.
_INK = "#010203"
_GRID = "#8c8c8c"
_STYLE: Any = {
    "svg.fonttype": "none",  # text stays text: it can be searched, and the page's font shows it
    "svg.hashsalt": "xlgen",  # the same figures give the same file
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": _GRID,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "text.color": _INK,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Plot:
    """A plot, ready to be put into HTML."""

    title: str
    note: str
    svg: str


def all_plots(results: Results) -> list[Plot]:
    """The plots that the figures at hand allow, of runs on one task."""
    found = (
        curves(results),
        languages_curves(results),
        rate_curves(results),
        xlrs_curves(results),
        learning_rates(results),
        lengths(results),
    )
    return [plot for plot in found if plot]


def curves(results: Results) -> Plot | None:
    """The task's metric and the correct-language rate against training steps, averaged over the other languages."""
    metric = results.runs[0].main_metric
    series = {m: _series(results, MEAN, m) for m in (metric, LANGUAGE_RATE)}
    if not any(any(points.values()) for points in series.values()):
        return None
    with _figure(1, 2, (8.2, 3.1)) as (figure, axes):
        for axis, (name, points) in zip(axes, series.items(), strict=True):
            _draw_curves(axis, results.runs, points)
            _label(axis, "training steps", f"{metric_name(name)} (%)")
        axes[1].set_ylim(-3, 103)
        _legend(figure, axes[0])
        svg = _svg(figure, "Training curves, mean over the languages without labels")
    return Plot(
        "While training", "Mean over the languages without labels. Dashed level: a run that does not train.", svg
    )


def languages_curves(results: Results) -> Plot | None:
    """The task's metric against training steps, a panel a language."""
    metric = results.runs[0].main_metric
    name = metric_name(metric)
    return _small_multiples(results, metric, f"{name} while training, language by language", f"{name} (%)", None)


def rate_curves(results: Results) -> Plot | None:
    """The correct-language rate against training steps, a panel a language."""
    title = "Right language while training, language by language"
    return _small_multiples(results, LANGUAGE_RATE, title, f"{metric_name(LANGUAGE_RATE)} (%)", (-3, 103))


def xlrs_curves(results: Results) -> Plot | None:
    """The similarity of encoded translations against training steps, a panel a language (L, Figures 1 to 3)."""
    title = "Similarity to the source language while training (XLRS), language by language"
    return _small_multiples(results, "xlrs", title, "XLRS", None)


def learning_rates(results: Results) -> Plot | None:
    """The task's metric and the correct-language rate against the learning rate, a colour a method."""
    runs = [run for run in results.runs if run.learning_rate is not None and run.figures]
    rates = sorted({run.learning_rate for run in runs if run.learning_rate is not None})
    if len(rates) < 2:
        return None
    several = len({run.backbone for run in runs}) > 1
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(f"{run.method}, {run.backbone}" if several else run.method, []).append(run)
    with _figure(1, 2, (8.2, 3.1)) as (figure, axes):
        for axis, metric in zip(axes, (runs[0].main_metric, LANGUAGE_RATE), strict=True):
            for number, (name, members) in enumerate(groups.items()):
                _draw_learning_rates(axis, results, members, metric, number, name)
            axis.set_xscale("log")
            axis.minorticks_off()
            axis.set_xticks(rates, [rate_text(rate) for rate in rates])
            _label(axis, "learning rate (log scale)", f"{metric_name(metric)} (%)")
        axes[1].set_ylim(-3, 103)
        _legend(figure, axes[0])
        svg = _svg(figure, "Figures at the last step against the learning rate")
    note = "At each run's last evaluation, averaged over seeds. Full: the other languages; dotted: the source language."
    return Plot("By learning rate", note, svg)


def lengths(results: Results) -> Plot | None:
    """Lengths of predictions beside lengths of references, a line a language."""
    languages = results.languages()[::-1]
    shown = [r for r in results.runs if any_number(results.value(r, code, "prediction_length") for code in languages)]
    if not shown:
        return None
    with _figure(1, 1, (8.2, 1.1 + (0.2 + 0.03 * len(shown)) * len(languages))) as (figure, axes):
        axis = axes[0]
        for number, run in enumerate(shown):
            at = [i + 0.22 - 0.44 * (number + 0.5) / len(shown) for i in range(len(languages))]
            values = [_or_nan(results.value(run, code, "prediction_length")) for code in languages]
            style = _style(results.runs.index(run))
            axis.plot(
                values,
                at,
                linestyle="",
                marker=style["marker"],
                color=style["color"],
                label=_labels(results.runs)[run.name],
            )
        references = [_or_nan(mean(results.value(r, code, "reference_length") for r in shown)) for code in languages]
        rows = range(len(languages))
        axis.plot(
            references, rows, linestyle="", marker="|", markersize=13, markeredgewidth=2, color=_INK, label="references"
        )
        axis.set_yticks(rows, [_latin(f"{language_name(code)} ({code})") for code in languages])
        axis.set_ylim(-0.6, len(languages) - 0.4)
        axis.set_xlim(left=0)
        axis.grid(axis="y", visible=False)
        _label(axis, "mean length (words; characters where no spaces separate words)", "")
        _legend(figure, axis)
        svg = _svg(figure, "Mean lengths of predictions and references by language")
    return Plot("Lengths", "At each run's last evaluation. A model that stops early, or runs on, shows here.", svg)


def _small_multiples(
    results: Results, metric: str, title: str, label: str, limits: tuple[float, float] | None
) -> Plot | None:
    series = {code: _series(results, code, metric) for code in results.languages()}
    series = {code: points for code, points in series.items() if any(points.values())}
    if not any(len(found) > 1 for points in series.values() for found in points.values()):
        return None
    columns = min(4, len(series))
    rows = math.ceil(len(series) / columns)
    with _figure(rows, columns, (8.2, 0.5 + 1.45 * rows), shared=True) as (figure, axes):
        for axis, (code, points) in zip(axes, series.items(), strict=False):
            _draw_curves(axis, results.runs, points)
            axis.set_title(_latin(language_name(code)))
        for axis in axes[max(0, len(series) - columns) : len(series)]:  # the lowest panel of each column
            axis.set_xlabel("training steps")
            axis.tick_params(labelbottom=True)
        for axis in axes[len(series) :]:
            axis.set_visible(False)
        if limits:
            axes[0].set_ylim(*limits)
        figure.supylabel(label, fontsize=9)
        _legend(figure, axes[0])
        svg = _svg(figure, title)
    return Plot(title, "One panel a language, all to the same scale.", svg)


def _series(results: Results, language: str, metric: str) -> dict[str, list[tuple[int, float]]]:
    """Steps and values of a figure, by run."""
    found: dict[str, list[tuple[int, float]]] = {}
    for run in results.runs:
        steps = sorted({figure["step"] for figure in run.figures})
        values = ((step, results.value(run, language, metric, step)) for step in steps)
        found[run.name] = [(step, value) for step, value in values if value is not None]
    return found


def _draw_curves(axis: Axes, runs: Sequence[Run], points: dict[str, list[tuple[int, float]]]) -> None:
    names = _labels(runs)
    for number, run in enumerate(runs):
        if not points[run.name]:
            continue
        steps, values = zip(*points[run.name], strict=True)
        style = _style(number)
        if run.learning_rate is None:  # it does not train, so its figures hold for every step
            axis.axhline(values[-1], color=style["color"], linestyle=(0, (5, 3)), linewidth=1.2, label=names[run.name])
        else:
            axis.plot(steps, values, **style, label=names[run.name])
    axis.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=4, steps=[1, 2, 2.5, 5, 10]))


def _draw_learning_rates(axis: Axes, results: Results, runs: list[Run], metric: str, number: int, name: str) -> None:
    by_rate: dict[float, list[Run]] = {}
    for run in runs:
        by_rate.setdefault(run.learning_rate or 0.0, []).append(run)
    rates = sorted(by_rate)
    others = [_or_nan(mean(results.value(run, MEAN, metric) for run in by_rate[rate])) for rate in rates]
    source = [_or_nan(mean(results.source_value(run, metric) for run in by_rate[rate])) for rate in rates]
    style = _style(number)
    axis.plot(rates, others, color=style["color"], marker=style["marker"], label=_latin(f"{name}, other languages"))
    axis.plot(
        rates, source, color=style["color"], marker=style["marker"], linestyle=":", markerfacecolor="none",
        label=_latin(f"{name}, source"),
    )  # fmt: skip


def _style(number: int) -> dict[str, Any]:
    colour, line = number % len(_COLOURS), number // len(_COLOURS)
    return {
        "color": _COLOURS[colour],
        "linestyle": _DASHES[line % len(_DASHES)],
        "marker": _MARKERS[number % len(_MARKERS)],
    }


def _label(axis: Axes, x: str, y: str) -> None:
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def _legend(figure: Figure, axis: Axes) -> None:
    handles, names = axis.get_legend_handles_labels()
    if len(names) > 1:
        figure.legend(
            handles, names, loc="outside lower center", ncols=min(len(names), 3 if max(map(len, names)) > 24 else 4)
        )


def _labels(runs: Sequence[Run]) -> dict[str, str]:
    return {name: _latin(text) for name, text in labels(runs).items()}


def _latin(text: str) -> str:
    """``text`` in letters that every font has; matplotlib would warn of others."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value


@contextmanager
def _figure(
    rows: int, columns: int, size: tuple[float, float], shared: bool = False
) -> Iterator[tuple[Figure, list[Axes]]]:
    """A figure outside pyplot, so that no display is asked for and nothing stays open."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        yield figure, list(figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).flat)


def _svg(figure: Figure, title: str) -> str:
    """The figure as an ``svg`` element without addresses, its ink in the colour of the text around it."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    # The ids of two plots must differ: a page has one space of ids.
    unique = re.sub(r"\W+", "-", title.lower())
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{unique}-", svg)
    svg = svg.replace(_INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
