"""The language that a decoder is about to write, by layer and token: classes of tokens, and their probability shares.

Li and Murray (2023) argue that finetuning on one source language makes the encoder's states language-neutral, so that
the decoder no longer knows which language to write. The lens shows where in the decoder the source language prevails.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
import regex
from numpy.typing import NDArray

from xlgen.analysis.figures import Chart, Heatmaps, Line, LineCharts, Panel
from xlgen.analysis.rows import AnalysisRows, numbered, short_name, two_digits, unique, where
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language, language_name
from xlgen.core.registry import InputError
from xlgen.core.tables import Column, Table, number_column, text_table
from xlgen.metrics.scripts import letters_of

CLASSES = ("source", "target", "both", "other", "neither")
"""Classes of tokens: letters of the source language's script, of the target's, of both, of others, or no letters."""
GENERATED, REFERENCE = "generated", "reference"
"""The text for teacher forcing: the model's own output, or the reference."""

_SHARED = r"\p{scx=Zyyy}\p{scx=Zinh}"
_ANY_LETTER = regex.compile(rf"[\p{{L}}--[{_SHARED}]]", regex.V1)
_BYTE = regex.compile(r"<0x[0-9A-F]{2}>")


@dataclass(frozen=True)
class Lens:
    """Probability shares of the token classes in one model and language, averaged over inputs."""

    model: str
    language: str
    """The target language, which is the language of the inputs."""
    source: str
    """The language of the training labels."""
    text: str
    """``generated`` or ``reference``."""
    shares: NDArray[np.float64]
    """Shape (1 + layers, steps, classes of ``CLASSES``). The classes sum to 1."""
    n: tuple[int, ...]
    """For each step, the number of inputs whose text has it."""
    signature: str

    def rows(self) -> list[JsonObject]:
        """One row per layer and step, one key per class. Steps start at 1; steps without inputs are left out."""
        shared = {"analysis": "lens", "model": self.model, "language": self.language, "source": self.source}
        names = [f"{name}_share" for name in CLASSES]
        return [
            {
                **shared, "text": self.text, "layer": layer, "step": step + 1,
                **dict(zip(names, self.shares[layer, step].tolist(), strict=True)),
                "n": self.n[step], "signature": self.signature,
            }
            for layer in range(len(self.shares))
            for step in range(self.shares.shape[1])
            if self.n[step]
        ]  # fmt: skip


def lens_tables(rows: AnalysisRows) -> list[Table]:
    """One row per text, language and layer: each model's shares of source and target, at step 1 and overall."""
    models = unique(rows, "model")
    columns: list[str | Column] = ["text", "language", number_column("layer")]
    for number, _ in enumerate(models, start=1):
        mark = f" {number}" if len(models) > 1 else ""
        columns += map(number_column, (f"source{mark}, step 1", "target, step 1", "source, all", "target, all"))
    lines = []
    for text, code, layer in dict.fromkeys((row["text"], row["language"], row["layer"]) for row in rows):
        cells = []
        for model in models:
            mine = where(rows, model=model, text=text, language=code, layer=layer)
            for chosen in (where(mine, step=1), mine):
                cells += [two_digits(_mean(chosen, "source_share")), two_digits(_mean(chosen, "target_share"))]
        lines.append([text, f"{code} {language_name(code)}", str(layer), *cells])
    title = f"Share of probability on tokens of the source and of the target language: {numbered(models)}"
    return [text_table("lens", title, columns, lines)]


def lens_figures(rows: AnalysisRows) -> list[LineCharts | Heatmaps]:
    """The shares by layer, and heat maps by layer and step for each language and text."""
    pairs = dict.fromkeys((row["language"], row["text"]) for row in rows)
    return [layers_figure(rows), *(steps_figure(rows, language, text) for language, text in pairs)]


def layers_figure(rows: AnalysisRows) -> LineCharts:
    """Shares by layer, averaged over steps: one row per text, one column per language, one colour per model."""
    texts, languages, models = (unique(rows, key) for key in ("text", "language", "model"))

    def chart(text: str, code: str) -> Chart:
        lines = (
            line
            for group, model in enumerate(models)
            for line in _lines(where(rows, model=model, text=text, language=code), short_name(model, models), group)
        )
        return Chart(f"{code}, {text}", tuple(lines))

    charts = tuple(tuple(chart(text, code) for code in languages) for text in texts)
    title = "Share of probability on the languages' tokens"
    return LineCharts("lens", title, charts, axes=("layer", "share"), limits=(0.0, 1.0))


def steps_figure(rows: AnalysisRows, language: str, text: str) -> Heatmaps:
    """Heat maps of layer by step, one column per model: the source language's share above, the target's below."""
    mine = where(rows, language=language, text=text)
    models, panels = unique(mine, "model"), []
    for kind in ("source", "target"):
        for model in models:
            own = where(mine, model=model)
            layers, steps = unique(own, "layer"), sorted(unique(own, "step"))
            values = {(row["layer"], row["step"]): row[f"{kind}_share"] for row in own}
            matrix = np.array([[values.get((x, step), np.nan) for step in steps] for x in reversed(layers)])
            names = [str(layer) for layer in reversed(layers)]
            panels.append(Panel(f"{kind}: {short_name(model, models)}", names, [str(step) for step in steps], matrix))
    source = mine[0]["source"] if mine else ""
    title = f"Share of probability, source {source}, target {language}, {text} text"
    name = f"lens-{language}-{text}"
    return Heatmaps(name, title, tuple(panels), across=len(models), limits=(0.0, 1.0), axes=("layer", "step"))


def _lines(rows: AnalysisRows, name: str, group: int) -> list[Line]:
    layers = unique(rows, "layer")
    found = []
    for kind, dashed in (("target", False), ("source", True)):
        means = [_mean(where(rows, layer=layer), f"{kind}_share") for layer in layers]
        found.append(Line(f"{kind}: {name}", layers, means, group, dashed))
    return found


def _mean(rows: AnalysisRows, key: str) -> float:
    """The mean over steps, weighted by the number of inputs that reach each step."""
    weights = [row["n"] for row in rows]
    return float(np.average([row[key] for row in rows], weights=weights)) if sum(weights) else float("nan")


def classes_by_script(pieces: Sequence[str], special: Collection[int], source: str, target: str) -> list[int]:
    """The class of each token by the scripts of the languages ``source`` and ``target``; ``special`` ids are neither.

    Raises InputError for languages with the same script, whose tokens cannot be distinguished.
    """
    scripts = [Language.parse(code).script for code in (source, target)]
    of_source, of_target = map(_letter, scripts)
    if of_source == of_target:
        raise InputError(
            f"{source} and {target} have the same script, so scripts cannot separate their tokens; give a "
            f"{argument('corpus')} with text in both languages, or choose other {argument('languages')}"
        )
    found = []
    for index, piece in enumerate(pieces):
        if index in special or _BYTE.fullmatch(piece) or not _ANY_LETTER.search(piece):
            found.append(CLASSES.index("neither"))
        else:
            found.append(_class(bool(of_source.search(piece)), bool(of_target.search(piece))))
    return found


def classes_by_use(size: int, special: Collection[int], source: Collection[int], target: Collection[int]) -> list[int]:
    """The class of each of ``size`` tokens by its occurrence in text of either language; ``special`` are neither."""
    return [
        CLASSES.index("neither") if index in special else _class(index in source, index in target)
        for index in range(size)
    ]


@cache
def _letter(script: str) -> regex.Pattern[str]:
    """A pattern for letters of this script, except for letters common to all scripts."""
    return regex.compile(rf"[[{letters_of(script)}]&&\p{{L}}--[{_SHARED}]]", regex.V1)


def _class(in_source: bool, in_target: bool) -> int:
    name = ("both" if in_target else "source") if in_source else "target" if in_target else "other"
    return CLASSES.index(name)
