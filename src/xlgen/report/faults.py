"""Output faults by language, from the rates that runs record: a table and a plot."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from xlgen.core.languages import language_name
from xlgen.core.tables import Column, Table, TableCell
from xlgen.report.drawing import INK, Plot, draw_figure, latin, or_nan, to_svg
from xlgen.report.groups import Line, is_large, lines
from xlgen.report.tables import LANGUAGE_RATE
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run, labels

WRONG, EMPTY = "wrong_language_rate", "empty_rate"
NAMES = {
    WRONG: "Wrong language",
    EMPTY: "Empty",
    "unknown_rate": "Unknown language",
    "wrong_script_rate": "Wrong script",
    "code_switched_rate": "Mixed",
    "copied_rate": "Copied",
    "leftover_rate": "Leftovers",
    "repeated_ending_rate": "Repeated ending",
    "loop_rate": "Loop",
    "truncated_rate": "Truncated",
}
"""Display names of faults, by the metric with their rate. The metric ``faults`` records those that are not in every
evaluation."""
SHOWN = {
    **NAMES,
    "reference_wrong_language_rate": "Wrong language, references",
    "reference_unknown_rate": "Unknown language, references",
}
"""The same, plus the rates of the references, which are not faults of the outputs."""
# No method has these colours.
_COLOURS = {WRONG: "#C0341D", EMPTY: "#6b6b6b"}
_MARKS = dict(zip((name for name in NAMES if name not in _COLOURS), "*s+|xv^d", strict=True))


def faults_table(results: Results) -> Table:
    """The fault rates of each run's last evaluation, by language."""
    columns = (
        Column("run", "Run", number=False),
        Column("language", "Code", number=False),
        Column("name", "Language", number=False),
        *(Column(metric, f"{name} (%)", lambda value: f"{value:.1f}") for metric, name in _names(results).items()),
    )
    short = labels(results.runs)
    rows = tuple(
        {
            "run": TableCell(short[run.name]),
            "language": TableCell(code),
            "name": TableCell(language_name(code)),
            **{metric: TableCell(fault_rate(results, run, code, metric, run.last_step)) for metric in SHOWN},
        }
        for run in results.runs
        for code in results.languages([run])
    )
    used = tuple(c for c in columns if c.key not in SHOWN or any(row[c.key].value is not None for row in rows))
    return Table("faults", "Faults", used, rows)


def _names(results: Results) -> dict[str, str]:
    """The display names. Without the metric ``faults``, wrong and unknown languages are counted together."""
    recorded = any(
        results.value(run, code, WRONG, run.last_step) is not None
        for run in results.runs
        for code in results.languages([run])
    )
    return SHOWN if recorded else {**SHOWN, WRONG: "Wrong or unknown language"}


def fault_rate(results: Results, run: Run, code: str, metric: str, step: int) -> float | None:
    """The rate of a fault in percent.

    If the metric ``faults`` was not computed, outputs that are neither in the right language nor empty count as wrong.
    """
    value = results.value(run, code, metric, step)
    right = results.value(run, code, LANGUAGE_RATE, step)
    if metric != WRONG or value is not None or right is None:
        return value
    return max(0.0, 100 - right - (results.value(run, code, EMPTY, step) or 0.0))


def faults(results: Results) -> Plot | None:
    """Bars of wrong-language and empty outputs, markers for other faults; one panel per run or setting."""
    drawn, codes = lines(results), results.languages()
    rates = {line.label: {m: [_rate(results, line, code, m) for code in codes] for m in NAMES} for line in drawn}
    shown = [line for line in drawn if any(value is not None for row in rates[line.label].values() for value in row)]
    if not shown:
        return None
    columns = min(4, len(shown))
    rows = math.ceil(len(shown) / columns)
    size = (8.2, 0.6 + rows * (0.45 + 0.15 * len(codes)))
    with draw_figure(rows, columns, size, shared=True) as (figure, axes):
        for axis, line in zip(axes, shown, strict=False):
            _draw(axis, rates[line.label], _names(results))
            axis.set_title(latin(line.label), fontsize=8)
        axes[0].set_yticks(range(len(codes)), [latin(code) for code in codes])
        axes[0].set_ylim(len(codes) - 0.4, -0.6)
        axes[0].set_xlim(0, 103)
        for axis in axes[max(0, len(shown) - columns) : len(shown)]:  # the lowest panel of each column
            axis.set_xlabel("% of outputs")
            axis.tick_params(labelbottom=True)
        for axis in axes[len(shown) :]:
            axis.set_visible(False)
        handles = dict(zip(*reversed(axes[0].get_legend_handles_labels()), strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(len(handles), 4))
        svg = to_svg(figure, "Faults by language")
    when = (
        "At the rates that target labels choose, the mean over seeds" if is_large(results) else "At the last evaluation"
    )
    note = (
        f"{when}. Empty outputs are in no language, so these bars add up. Other faults are shown as markers and may "
        "affect the same outputs."
    )
    return Plot("Faults by language", note, svg)


def _rate(results: Results, line: Line, code: str, metric: str) -> float | None:
    return mean(fault_rate(results, pick.run, code, metric, pick.step) for pick in line.picks)


def _draw(axis: Axes, rates: dict[str, list[float | None]], names: dict[str, str]) -> None:
    """Draw one row per language."""
    rows = range(len(rates[WRONG]))
    left = [0.0] * len(rows)
    for metric, colour in _COLOURS.items():
        values = [value or 0.0 for value in rates[metric]]
        axis.barh(rows, values, left=left, height=0.75, color=colour, label=names[metric])
        left = [a + b for a, b in zip(left, values, strict=True)]
    for metric, mark in _MARKS.items():
        if any(value is not None for value in rates[metric]):
            found = [or_nan(value or None) for value in rates[metric]]
            axis.plot(
                found, rows, linestyle="", marker=mark, markersize=5, color=INK, label=NAMES[metric], clip_on=False
            )
    axis.grid(axis="y", visible=False)
