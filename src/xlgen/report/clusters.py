"""Language prompts as in Figure 8 of Vu et al. (2022): cosines in dendrogram order, coloured by family and script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from rich.table import Column, Table
from scipy.cluster.hierarchy import dendrogram

from xlgen.analysis.prompts import Clusters, labels_of
from xlgen.report.analysis_tables import narrow_table
from xlgen.report.heatmaps import STYLE, add_scale, cells, save
from xlgen.report.tables import language_name
from xlgen.runs.runs import short_backbone

Rows = Sequence[Mapping[str, Any]]

_CELL = 0.28
"""Inches."""
_TREE = 1.3
_STRIP = 0.22


def prompts_table(rows: Rows) -> Table:
    """One row per language in tree order, with the languages whose prompts are nearest and farthest."""
    table = narrow_table("language", "", "family", "script", "nearest", "farthest")
    table.title = f"Cosine of language prompts: {rows[0]['model']}"
    near: dict[str, list[tuple[float, str]]] = {}
    for row in rows:
        near.setdefault(row["language"], []).append((row["value"], row["other_language"]))
        near.setdefault(row["other_language"], []).append((row["value"], row["language"]))
    families, scripts = (labels_of(list(near), kind) for kind in ("branch", "script"))
    for (code, others), family, script in zip(near.items(), families, scripts, strict=True):
        ends = (f"{other} {value:.2f}" for value, other in (max(others), min(others)))
        table.add_row(code, language_name(code), family, script, *ends)
    return table


def contrasts_table(rows: Rows) -> Table:
    """One row per property that two languages may share, such as the script."""
    numbers = (Column(name, justify="right") for name in ("pairs", "same", "others", "difference", "p"))
    table = narrow_table("of the same", *numbers)
    table.title = "Mean cosine of language pairs that share a property, and of other pairs (p: permutation test)"
    for row in rows:
        means = (f"{row[key]:.3f}" for key in ("within", "between", "value"))
        table.add_row(row["kind"], str(row["n"]), *means, f"{row['p']:.4f}")
    return table


def draw_clusters(found: Clusters, path: Path) -> Path:
    """Draw the dendrogram, names, scripts and cosines, with a legend; the suffix of ``path`` sets the format."""
    count = len(found.languages)
    groups, scripts = (labels_of(found.languages, kind) for kind in ("branch", "script"))
    of_group, of_script = _colours(groups, "tab20"), _colours(scripts, "Set3")
    size = count * _CELL
    legend = 0.17 * max(len(of_group) + len(of_script) + 3, 10)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_TREE + size + 3.4, max(size, legend) + 0.9), layout="constrained")
        widths = [_TREE, _STRIP, size, 1.5]
        tree, strip, heat, names = figure.subplots(1, 4, width_ratios=widths)
        _tree(tree, found)
        _strip(strip, [of_script[script] for script in scripts], found.languages, [of_group[group] for group in groups])
        # The scale ends at the highest cosine of two languages: the diagonal's 1 would make the others look equal.
        others = found.cosines[~np.eye(count, dtype=bool)]
        low, high = min(0.0, float(others.min())), max(float(others.max()), 1e-3)
        image = cells(heat, found.cosines, found.languages, found.languages, low, high)
        heat.set_yticks([])
        for label, group in zip(heat.get_xticklabels(), groups, strict=True):
            label.set_color(of_group[group])
            label.set_rotation(90 if count > 20 else 0)
        names.set_axis_off()
        names.add_artist(_legend(names, of_group, "family or branch (names)", 1.0))
        share = (len(of_group) + 2.5) / (len(of_group) + len(of_script) + 5)
        _legend(names, of_script, "script (squares)", 1.0 - share)
        add_scale(figure, image, names, shrink=0.6, location="right")
        figure.suptitle(f"Cosine of language prompts: {short_backbone(found.model)}", x=0.01, ha="left", fontsize=9)
        return save(figure, path)


def _tree(axis: Axes, found: Clusters) -> None:
    dendrogram(
        found.tree, orientation="left", no_labels=True, ax=axis, color_threshold=0, above_threshold_color="#5b6470"
    )
    axis.invert_yaxis()  # the first leaf on top, as in the heat map
    axis.set_xlabel("1 - cosine")
    for side in ("top", "left", "right"):
        axis.spines[side].set_visible(False)


def _strip(axis: Axes, scripts: Sequence[str], languages: Sequence[str], groups: Sequence[str]) -> None:
    """Draw one square per language in the colour of its script, and its code in the colour of its family."""
    for row, colour in enumerate(scripts):
        axis.add_patch(mpl.patches.Rectangle((0, row), 1, 1, color=colour, linewidth=0))
    axis.set_xlim(0, 1)
    axis.set_ylim(len(languages), 0)
    axis.set_xticks([])
    axis.set_yticks([row + 0.5 for row in range(len(languages))], languages)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    for label, colour in zip(axis.get_yticklabels(), groups, strict=True):
        label.set_color(colour)
        label.set_fontweight("bold")


def _colours(labels: Sequence[str], palette: str) -> dict[str, str]:
    """One colour per label; colours repeat if there are more labels than colours."""
    table = mpl.colormaps[palette].colors  # type: ignore[attr-defined]
    # tab20 has a dark and a pale shade of each colour: the dark ones come first because text needs contrast.
    order = [*range(0, len(table), 2), *range(1, len(table), 2)] if palette == "tab20" else range(len(table))
    chosen = [mpl.colors.to_hex(table[place]) for place in order]
    return {label: chosen[number % len(chosen)] for number, label in enumerate(sorted(set(labels)))}


def _legend(axis: Axes, colours: dict[str, str], title: str, top: float) -> Legend:
    handles = [Patch(color=colour, label=label) for label, colour in colours.items()]
    return axis.legend(
        handles=handles, title=title, loc="upper left", bbox_to_anchor=(0, top), frameon=False, alignment="left",
        fontsize=7, title_fontsize=7, labelspacing=0.25, borderpad=0,
    )  # fmt: skip
