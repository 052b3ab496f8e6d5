"""Tables and heat maps of the analyses. CKA has the layout of Figures 1 and 2 of Ji et al. (2024), spectra that of
their Tables 2 and 5."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich import box
from rich.table import Column, Table

from xlgen.analysis.overlap import AVERAGE
from xlgen.analysis.similarity import BetweenLanguages, BetweenModels, WithLength
from xlgen.report import tables
from xlgen.report.heatmaps import Panel, draw
from xlgen.report.tables import language_name
from xlgen.runs.runs import short_backbone

Row = Mapping[str, Any]
Rows = Sequence[Row]


def models_table(found: BetweenModels) -> Table:
    """One row per layer, the last layer first as in the heat map; one column per language."""
    table = narrow_table("layer", *(Column(code, justify="right") for code in (*found.languages, "mean")))
    table.title = f"CKA of {found.first} and {found.second}"
    for (left, right), values in reversed(list(zip(found.layers, found.values, strict=True))):
        table.add_row(_pair(left, right), *(_two(value) for value in (*values, values.mean())))
    return table


def similarity_table(found: BetweenLanguages) -> Table:
    """One row per layer: the mean over pairs of languages, the most similar pair and the least similar one."""
    table = narrow_table("layer", Column("mean", justify="right"), "most alike", "least alike")
    table.title = f"CKA of the languages of {found.model}"
    left, right = np.triu_indices(len(found.languages), 1)
    for layer in reversed(range(len(found.values))):
        values = found.values[layer, left, right]
        if np.isnan(values).all():
            table.add_row(_layer(layer), "–", "–", "–")
            continue
        named = [f"{found.languages[i]}–{found.languages[j]}" for i, j in zip(left, right, strict=True)]
        most, least = int(np.nanargmax(values)), int(np.nanargmin(values))
        ends = (f"{named[place]} {values[place]:.2f}" for place in (most, least))
        table.add_row(_layer(layer), _two(values.mean()), *ends)
    return table


def length_table(found: Sequence[WithLength]) -> Table:
    """One row per layer, one column per model: the mean over languages."""
    table = narrow_table("layer", *(Column(short_backbone(each.model), justify="right") for each in found))
    table.title = "CKA with the log of sentence length: similarity that length alone may explain"
    for layer in reversed(range(max(len(each.values) for each in found))):
        means = (each.values[layer].mean() if layer < len(each.values) else np.nan for each in found)
        table.add_row(_layer(layer), *(_two(float(value)) for value in means))
    return table


def draw_models(found: BetweenModels, path: Path) -> Path:
    """Figure 1 of Ji et al. (2024): layers from the bottom up, languages from left to right."""
    rows = [_pair(left, right) for left, right in reversed(found.layers)]
    title = f"CKA: {short_backbone(found.first)} vs {short_backbone(found.second)}"
    panel = Panel("", rows, found.languages, found.values[::-1])
    return draw([panel], path, title, limits=(_bottom(found.values), 1.0), axes=("layer", ""))


def draw_languages(found: BetweenLanguages, path: Path) -> Path:
    """Figure 2 of Ji et al. (2024): one panel per layer with the lower triangle of a matrix of languages."""
    shown = np.where(np.tri(len(found.languages), k=-1)[None] > 0, found.values, np.nan)
    panels = [
        Panel(_layer(layer, words=True), found.languages[1:], found.languages[:-1], shown[layer, 1:, :-1])
        for layer in range(len(shown))
    ]
    title = f"CKA between languages: {short_backbone(found.model)}"
    return draw(panels, path, title, limits=(_bottom(shown), 1.0))


def spectra_table(rows: Rows) -> tables.Table:
    """Tables 2 and 5 of Ji et al. (2024) for files: one row per layer and model, each weight's norm and distance."""
    kinds = _kinds(rows)
    columns = [tables.Column("layer", "Layer", number=False), tables.Column("run", "Model", number=False)]
    for kind in kinds:
        key = kind.replace(" ", "_")
        columns += [
            tables.Column(f"{key}_norm", f"{kind} ∥σ∥", _digits),
            tables.Column(f"{key}_d", f"{kind} d", _digits),
        ]
    lines = []
    for place, model, cells in _lines(rows):
        line = dict.fromkeys((column.key for column in columns), tables.TableCell())
        line |= {"layer": tables.TableCell(place), "run": tables.TableCell(short_backbone(model))}
        for kind, cell in cells.items():
            key = kind.replace(" ", "_")
            line |= {f"{key}_norm": tables.TableCell(cell["norm"]), f"{key}_d": tables.TableCell(cell["distance"])}
        lines.append(line)
    title = "Norm of the singular values of each weight, and their distance from those of the first model"
    return tables.Table("spectra", title, tuple(columns), tuple(lines))


def norms_table(rows: Rows) -> Table:
    """The same as :func:`spectra_table`, for the terminal."""

    def text(cell: Row, first: bool) -> str:
        return f"{cell['norm']:.1f}" + ("" if first else f" ({cell['distance']:.2f})")

    return _weights_table(rows, "Norm of the singular values (and distance from those of the first model)", text)


def change_table(rows: Rows) -> Table:
    """One row per layer and model: effective rank, and the relative change from the first model in percent."""

    def text(cell: Row, first: bool) -> str:
        changed = "" if first else f" ({_percent(cell['change'])} | {_percent(cell['spectrum_change'])})"
        return f"{cell['effective_rank']:.1f}{changed}"

    title = "Effective rank (change of the weight | of its singular values from the first model, %)"
    return _weights_table(rows, title, text)


def _weights_table(rows: Rows, title: str, text: Callable[[Row, bool], str]) -> Table:
    """One row per layer and model, one column per kind of weight.

    ``text`` formats a cell; its second argument says whether the cell belongs to the first model.
    """
    kinds = _kinds(rows)
    table = narrow_table("layer", "model", *(Column(kind, justify="right") for kind in kinds))
    table.title = title
    for place, model, cells in _lines(rows):
        found = [text(cells[kind], model == rows[0]["model"]) if kind in cells else "" for kind in kinds]
        table.add_row(place, short_backbone(model), *found)
    return table


def draw_spectra(rows: Rows, path: Path) -> Path:
    """Draw the effective rank of a single model as % of full rank, or each weight's change from the first model."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    kinds = _kinds(rows)
    panels = []
    for model in models[1:] or models:
        mine = [(place, cells) for place, name, cells in _lines(rows) if name == model]
        values = np.array([[_shade(cells.get(kind), len(models) > 1) for kind in kinds] for _, cells in mine])
        narrow = [kind.replace(" ", "\n") for kind in kinds]  # otherwise T5's FC1 wi_0 and FC1 wi_1 overlap
        panels.append(Panel(short_backbone(model), [place for place, _ in mine], narrow, values))
    title = (
        f"Relative change of the weights from {short_backbone(models[0])} (%)"
        if len(models) > 1
        else "Effective rank of the weights, % of the full rank"
    )
    return draw(panels, path, title, columns=3, limits=(0.0, None))


def overlap_table(rows: Rows) -> Table:
    """Vocabulary overlap, one row per language."""
    table = narrow_table("language", "")
    for head in ("d (%)", "words (%)", "n", "numbers (%)", "mostly", "some"):
        table.add_column(head, justify="right")
    for row in rows:
        name = "" if row["language"] == AVERAGE else language_name(row["language"])
        value = "–" if row["value"] is None else f"{row['value']:.2f}"
        # Files written by earlier versions have only d.
        numbers = (f"{row[f'{key}_numbers']:.1f}" if "words" in row else "–" for key in ("pure", "mostly", "some"))
        words = f"{row['words']:.2f}" if "words" in row else "–"
        table.add_row(row["language"], name, value, words, f"{row['n']:,}", *numbers)
    return table


def correlation_table(rows: Rows) -> Table:
    """Correlation coefficients, one row per group of checkpoints and language."""
    table = narrow_table("task", "backbone", "runs", "metric", "language")
    for name in ("ρ", "p", "n"):
        table.add_column(name, justify="right")
    for row in rows:
        names = (row["task"], short_backbone(row["backbone"]), row["run"], row["metric"], row["language"])
        star = "*" if row["p"] is not None and row["p"] < 0.05 else ""
        p = "–" if row["p"] is None else f"{row['p']:.2g}"
        table.add_row(*names, "–" if row["rho"] is None else f"{row['rho']:.2f}{star}", p, str(row["n"]))
    return table


def narrow_table(*columns: str | Column) -> Table:
    """A table with little padding, for one column per language or weight."""
    return Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, title_justify="left")


def _kinds(rows: Rows) -> list[str]:
    return list(dict.fromkeys(row["weight"] for row in rows))


def _lines(rows: Rows) -> list[tuple[str, str, dict[str, Mapping[str, Any]]]]:
    """Place, model, and weights by kind. Self-attention and cross-attention have separate lines; the feed-forward
    weights are on the self-attention line."""
    found: dict[tuple[str, str], dict[str, Mapping[str, Any]]] = {}
    order: dict[tuple[str, int, bool], None] = {}
    for row in rows:
        cross = row["attention"] == "cross"
        order[row["half"], row["layer"], cross] = None
        place = f"{row['half']} {row['layer']}{' cross' if cross else ''}"
        found.setdefault((place, row["model"]), {})[row["weight"]] = row
    models = list(dict.fromkeys(row["model"] for row in rows))
    places = [f"{half} {layer}{' cross' if cross else ''}" for half, layer, cross in sorted(order, key=_deeper)]
    return [(p, model, found[p, model]) for p in places for model in models if (p, model) in found]


def _deeper(place: tuple[str, int, bool]) -> tuple[bool, int, bool]:
    return place[0] == "decoder", place[1], place[2]


def _shade(cell: Mapping[str, Any] | None, changes: bool) -> float:
    if cell is None or (changes and cell["change"] is None):
        return float("nan")
    return 100 * (cell["change"] if changes else cell["effective_rank"] / len(cell["singular_values"]))


def _bottom(values: np.ndarray) -> float:
    """The lower limit of the colour scale: zero as in Figure 2 of Ji et al. (2024), or lower if a value is negative."""
    return min(0.0, float(np.nanmin(values))) if np.isfinite(values).any() else 0.0


def _pair(left: int, right: int) -> str:
    return _layer(left) if left == right else f"{_layer(left)}–{_layer(right)}"


def _layer(layer: int, words: bool = False) -> str:
    return ("embeddings" if words else "0") if layer == 0 else (f"layer {layer}" if words else str(layer))


def _two(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _digits(value: float) -> str:
    return f"{value:.2f}"
