"""Clusterings: a tree, the names of its leaves, and a heat map of their similarities."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.patches import Patch
from scipy.cluster.hierarchy import dendrogram

from xlgen.analysis.figures import Dendrogram
from xlgen.report.heatmaps import STYLE, add_scale, cells, save

_CELL = 0.28
"""Inches."""
_TREE = 1.3
_STRIP = 0.22


def draw_dendrogram(found: Dendrogram, path: Path) -> Path:
    """Write the tree, names, squares and similarities, with legends; the suffix of ``path`` sets the format."""
    count = len(found.leaves)
    of_group, of_mark = _colours(found.groups, "tab20"), _colours(found.marks, "Set3")
    size = count * _CELL
    legend = 0.17 * max(len(of_group) + len(of_mark) + 3, 10)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(_TREE + size + 3.4, max(size, legend) + 0.9), layout="constrained")
        widths = [_TREE, _STRIP, size, 1.5]
        tree, strip, heat, names = figure.subplots(1, 4, width_ratios=widths)
        _tree(tree, found)
        _strip(strip, [of_mark[each] for each in found.marks], found.leaves, [of_group[each] for each in found.groups])
        # The scale ends at the highest value of two leaves: the diagonal's 1 would make the others look equal.
        others = found.values[~np.eye(count, dtype=bool)]
        low, high = min(0.0, float(others.min())), max(float(others.max()), 1e-3)
        image = cells(heat, found.values, found.leaves, found.leaves, low, high)
        heat.set_yticks([])
        for label, group in zip(heat.get_xticklabels(), found.groups, strict=True):
            label.set_color(of_group[group])
            label.set_rotation(90 if count > 20 else 0)
        names.set_axis_off()
        names.add_artist(_legend(names, of_group, found.legends[0], 1.0))
        share = (len(of_group) + 2.5) / (len(of_group) + len(of_mark) + 5)
        _legend(names, of_mark, found.legends[1], 1.0 - share)
        add_scale(figure, image, names, shrink=0.6, location="right")
        figure.suptitle(found.title, x=0.01, ha="left", fontsize=9)
        return save(figure, path)


def _tree(axis: Axes, found: Dendrogram) -> None:
    dendrogram(
        found.tree, orientation="left", no_labels=True, ax=axis, color_threshold=0, above_threshold_color="#5b6470"
    )
    axis.invert_yaxis()  # the first leaf on top, as in the heat map
    axis.set_xlabel(found.distance)
    for side in ("top", "left", "right"):
        axis.spines[side].set_visible(False)


def _strip(axis: Axes, marks: Sequence[str], leaves: Sequence[str], groups: Sequence[str]) -> None:
    """Draw one square per leaf in the colour of its mark, and its name in the colour of its group."""
    for row, colour in enumerate(marks):
        axis.add_patch(mpl.patches.Rectangle((0, row), 1, 1, color=colour, linewidth=0))
    axis.set_xlim(0, 1)
    axis.set_ylim(len(leaves), 0)
    axis.set_xticks([])
    axis.set_yticks([row + 0.5 for row in range(len(leaves))], leaves)
    axis.tick_params(length=0)
    for side in axis.spines.values():
        side.set_visible(False)
    for label, colour in zip(axis.get_yticklabels(), groups, strict=True):
        label.set_color(colour)
        label.set_fontweight("bold")


def _colours(labels: Sequence[str], palette: str) -> dict[str, str]:
    """One colour per label; colours repeat if there are more labels than colours."""
    table = mpl.colormaps[palette].colors  # type: ignore[attr-defined]  # only listed colormaps have colors
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
