"""The style of plots: one colour per method, and SVG that can be embedded in the page."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from xlgen.runs.runs import Run

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

DrawingOptions: TypeAlias = dict[str, Any]
"""Keyword arguments of matplotlib's drawing functions: colours, numbers, texts and flags."""
DrawingSettings: TypeAlias = "dict[RcKeyType, str | float | bool]"
"""Settings of matplotlib."""

# Okabe and Ito's colour-blind-safe palette, without the two colours that have low contrast on white or black.
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8C8C8C")
_DASHES = ("-", "--", ":", "-.")
_MARKERS = "os^Dv<>PXphd*"
_HATCHES = ("", "///", "...", "xxx")
# A placeholder for the page's text colour, which differs in dark mode.
INK = "#010203"
GRID = "#8c8c8c"
_STYLE: DrawingSettings = {
    "svg.fonttype": "none",  # text stays searchable and uses the page's font
    "svg.hashsalt": "xlgen",  # the same values give the same file
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.titlelocation": "left",
    "axes.edgecolor": GRID,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "lines.linewidth": 1.6,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


@dataclass(frozen=True)
class Plot:
    """A plot, ready to be embedded in HTML."""

    title: str
    note: str
    svg: str


@dataclass(frozen=True)
class Palette:
    """The colour of each method, the same in every plot of a page."""

    methods: tuple[str, ...]
    several: bool = False
    """Whether there are several backbones. Then markers and dashes show the backbone, and only colours the method."""

    @classmethod
    def of(cls, runs: Sequence[Run]) -> Palette:
        """Colours in the order in which the methods appear."""
        return cls(tuple(dict.fromkeys(run.method for run in runs)), len({run.backbone for run in runs}) > 1)

    def colour(self, method: str, number: int = 0) -> str:
        """The method's colour, or the colour of its ``number``-th line if there is only one method."""
        return _COLOURS[(self._place(method) + (number if len(self.methods) == 1 else 0)) % len(_COLOURS)]

    def style(self, method: str, number: int = 0) -> DrawingOptions:
        """The style of a method's ``number``-th line: the method's colour, the line's dashes and markers."""
        return {
            "color": self.colour(method, number),
            "linestyle": _DASHES[(number + self._round(method)) % len(_DASHES)],
            "marker": self.marker(method, number),
        }

    def marker(self, method: str, number: int = 0) -> str:
        """The marker of a method's ``number``-th line; with a single backbone, each method starts at another marker."""
        return _MARKERS[(number if self.several else self._place(method) + number) % len(_MARKERS)]

    def hatch(self, method: str) -> str:
        """The bar fill pattern, which distinguishes methods if there are more methods than colours."""
        return _HATCHES[self._round(method) % len(_HATCHES)]

    def _place(self, method: str) -> int:
        return self.methods.index(method) if method in self.methods else len(self.methods)

    def _round(self, method: str) -> int:
        return self._place(method) // len(_COLOURS)


def name_axes(axis: Axes, x: str, y: str) -> None:
    """Set the axis labels."""
    axis.set_xlabel(x)
    axis.set_ylabel(y)


def legend(figure: Figure, axis: Axes) -> None:
    """Put a legend below the figure if there are several names."""
    handles, names = axis.get_legend_handles_labels()
    if len(names) > 1:
        longest = max(map(len, names))
        columns = 4 if longest <= 24 else 3 if longest <= 32 else 2
        figure.legend(handles, names, loc="outside lower center", ncols=min(len(names), columns))


def latin(text: str) -> str:
    """``text`` with characters outside Latin-1 replaced; matplotlib warns about glyphs that its font lacks."""
    return text.encode("latin-1", "replace").decode("latin-1")


def or_nan(value: float | None) -> float:
    """``value``, or NaN for None: matplotlib leaves NaN out."""
    return math.nan if value is None else value


@contextmanager
def draw_figure(
    rows: int, columns: int, size: tuple[float, float], shared: bool = False
) -> Iterator[tuple[Figure, list[Axes]]]:
    """Yield a figure and its axes without pyplot, which would need a display and keep figures open."""
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=size)
        yield figure, list(figure.subplots(rows, columns, squeeze=False, sharex=shared, sharey=shared).flat)


def to_svg(figure: Figure, title: str) -> str:
    """The figure as an ``svg`` element without URLs; :data:`INK` becomes the colour of the surrounding text."""
    text = io.StringIO()
    figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return within_a_page(text.getvalue(), title)


def within_a_page(svg: str, title: str) -> str:
    """The ``svg`` element of a file, without URLs and with unique ids; :data:`INK` becomes the page's text colour."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r' xmlns(:\w+)?="[^"]*"', "", svg)
    # Ids must be unique within a page, so each plot has its own prefix.
    unique = re.sub(r"\W+", "-", title.lower()) + f"-{crc32(svg.encode()):08x}"
    svg = re.sub(r'(\bid="|"#|url\(#)', rf"\g<1>{unique}-", svg)
    svg = svg.replace(INK, "currentColor")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{escape(title)}" ', 1)
