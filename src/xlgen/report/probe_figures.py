"""Tables and plots of language probes and the logit lens, from their rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.table import Column, Table

from xlgen.analysis.probes import ALL, LENGTH, SHUFFLED, STATES
from xlgen.report.analysis_tables import narrow_table
from xlgen.report.heatmaps import STYLE, Panel, draw, save
from xlgen.report.tables import language_name
from xlgen.runs.runs import short_backbone

Rows = Sequence[Mapping[str, Any]]

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")


def probe_table(rows: Rows) -> Table:
    """One row per part and layer: each model's mean accuracy, bits, lowest accuracy, and the controls."""
    models, index = _models(rows), {_probe_key(row): row for row in rows}
    table = narrow_table("part", Column("layer", justify="right"))
    for number, _ in enumerate(models, start=1):
        mark = f" {number}" if len(models) > 1 else ""
        for name in (f"states{mark}", "bits", "lowest", "shuffled", "length"):
            table.add_column(name, justify="right")
    named = ", ".join(f"{number} {name}" if len(models) > 1 else name for number, name in enumerate(models, start=1))
    table.title = f"Accuracy of predicting the language from states, % of held-out texts: {named}"
    for part, layer in dict.fromkeys((row["part"], row["layer"]) for row in rows):
        cells = [cell for model in models for cell in _probe_cells(index, rows, model, part, layer)]
        table.add_row(part, str(layer), *cells)
    return table


def draw_probes(rows: Rows, path: Path) -> Path:
    """Draw one panel per part and model: layers bottom up, languages left to right, accuracy in percent."""
    panels = []
    models = _models(rows)
    for part in _unique(rows, "part"):
        for model in models:
            mine = [r for r in rows if (r["part"], r["model"], r["given"]) == (part, model, STATES)]
            languages = [code for code in _unique(mine, "language") if code != ALL]
            layers = _unique(mine, "layer")
            values = {(row["layer"], row["language"]): row["value"] for row in mine}
            matrix = np.array([[values[layer, code] for code in languages] for layer in reversed(layers)])
            title = f"{part}: {_short(model, models)}"
            panels.append(Panel(title, [str(layer) for layer in reversed(layers)], languages, matrix))
    title = "Accuracy of predicting the language from states, % of held-out texts"
    return draw(panels, path, title, columns=len(models), limits=(0.0, 100.0), axes=("layer", ""))


def lens_table(rows: Rows) -> Table:
    """One row per text, language and layer: each model's shares of source and target, at step 1 and overall."""
    models = _models(rows)
    table = narrow_table("text", "language", Column("layer", justify="right"))
    for number, _ in enumerate(models, start=1):
        mark = f" {number}" if len(models) > 1 else ""
        for name in (f"source{mark}, step 1", "target, step 1", "source, all", "target, all"):
            table.add_column(name, justify="right")
    named = ", ".join(f"{number} {name}" if len(models) > 1 else name for number, name in enumerate(models, start=1))
    table.title = f"Share of probability on tokens of the source and of the target language: {named}"
    places = dict.fromkeys((row["text"], row["language"], row["layer"]) for row in rows)
    for text, code, layer in places:
        cells = []
        for model in models:
            mine = _of(rows, model=model, text=text, language=code, layer=layer)
            first = [row for row in mine if row["step"] == 1]
            for chosen in (first, mine):
                cells += [_two(_mean(chosen, "source_share")), _two(_mean(chosen, "target_share"))]
        table.add_row(text, f"{code} {language_name(code)}", str(layer), *cells)
    return table


def draw_lens(rows: Rows, language: str, text: str, path: Path) -> Path:
    """Draw heat maps of layer by step, one column per model: the source language's share above, the target's below."""
    mine = _of(rows, language=language, text=text)
    models, panels = _models(mine), []
    for kind in ("source", "target"):
        for model in models:
            own = _of(mine, model=model)
            layers, steps = _unique(own, "layer"), sorted(_unique(own, "step"))
            values = {(row["layer"], row["step"]): row[f"{kind}_share"] for row in own}
            matrix = np.array([[values.get((x, step), np.nan) for step in steps] for x in reversed(layers)])
            names = [str(layer) for layer in reversed(layers)]
            panels.append(Panel(f"{kind}: {_short(model, models)}", names, [str(step) for step in steps], matrix))
    source = mine[0]["source"] if mine else ""
    title = f"Share of probability, source {source}, target {language}, {text} text"
    return draw(panels, path, title, columns=len(models), limits=(0.0, 1.0), axes=("layer", "step"))


def draw_layers(rows: Rows, path: Path) -> Path:
    """Plot shares by layer, averaged over steps: one row per text, one column per language, one colour per model."""
    texts, languages, models = _unique(rows, "text"), _unique(rows, "language"), _models(rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(1.9 * len(languages) + 0.6, 1.6 * len(texts) + 1.0), layout="constrained")
        axs = figure.subplots(len(texts), len(languages), squeeze=False, sharex=True, sharey=True)
        for down, text in enumerate(texts):
            for across, code in enumerate(languages):
                axis: Axes = axs[down, across]
                for model, colour in zip(models, _COLOURS * len(models), strict=False):
                    _lines(axis, _of(rows, model=model, text=text, language=code), colour, _short(model, models))
                axis.set_title(f"{code}, {text}", loc="left", fontsize=8)
                axis.set_ylim(-0.03, 1.03)
                axis.grid(alpha=0.25)
                for side in ("top", "right"):
                    axis.spines[side].set_visible(False)
            axs[down, 0].set_ylabel("share")
        for axis in axs[-1]:
            axis.set_xlabel("layer")
            axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, names = axs[0, 0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=7)
        figure.suptitle("Share of probability on the languages' tokens", x=0.01, ha="left", fontsize=9)
        return save(figure, path)


def _lines(axis: Axes, rows: Rows, colour: str, name: str) -> None:
    layers = _unique(rows, "layer")
    for kind, dash, mark in (("target", "-", "o"), ("source", "--", "s")):
        means = [_mean([row for row in rows if row["layer"] == layer], f"{kind}_share") for layer in layers]
        axis.plot(layers, means, linestyle=dash, marker=mark, markersize=3, color=colour, label=f"{kind}: {name}")


def _probe_cells(index: Mapping[Any, Mapping[str, Any]], rows: Rows, model: str, part: str, layer: int) -> list[str]:
    if (model, part, layer, ALL, STATES) not in index:
        return [""] * 5
    of_all = {given: index[model, part, layer, ALL, given] for given in (STATES, SHUFFLED, LENGTH)}
    languages = [key for key in index if key[:3] == (model, part, layer) and key[4] == STATES and key[3] != ALL]
    lowest = min(languages, key=lambda key: index[key]["value"])
    worst = "" if index[lowest]["value"] == 100 else f"{lowest[3]} {index[lowest]['value']:.0f}"
    first = (f"{of_all[STATES]['value']:.1f}", f"{of_all[STATES]['bits']:.3f}", worst)
    return [*first, f"{of_all[SHUFFLED]['value']:.1f}", f"{of_all[LENGTH]['value']:.1f}"]


def _probe_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["part"], row["layer"], row["language"], row["given"]


def _of(rows: Rows, **wanted: Any) -> list[Mapping[str, Any]]:
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def _unique(rows: Iterable[Mapping[str, Any]], key: str) -> list[Any]:
    return list(dict.fromkeys(row[key] for row in rows))


def _models(rows: Rows) -> list[str]:
    return _unique(rows, "model")


def _short(model: str, models: Sequence[str]) -> str:
    """The last part of a model's name, or the full name if two models share the last part."""
    ends = [short_backbone(each) for each in models]
    return short_backbone(model) if len(set(ends)) == len(ends) else model


def _mean(rows: Rows, key: str) -> float:
    """The mean over steps, weighted by the number of inputs that reach each step."""
    weights = [row["n"] for row in rows]
    return float(np.average([row[key] for row in rows], weights=weights)) if sum(weights) else float("nan")


def _two(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
