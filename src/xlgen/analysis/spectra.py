"""Singular values of a model's weights, and how far training moved them (Ji et al. 2024, section 3.3, Tables 2 and 5).

For each weight W with singular values s = (s_1, ..., s_r) in descending order, computes the norm ||s||, which is the
Frobenius norm of W; the distance ||s - s'|| to the singular values of the same weight in another checkpoint; and the
effective rank exp(-sum p_i log p_i) with p = s / sum(s) (Roy and Vetterli 2007), from 1 to r. As in Ji et al. (2024),
nothing is averaged over layers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xlgen.analysis.figures import Heatmaps, Panel
from xlgen.analysis.rows import AnalysisRow, AnalysisRows, unique
from xlgen.analysis.weights import Weight
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.tables import Column, Table, TableCell, number_column, text_table
from xlgen.runs.runs import short_backbone

# PyTorch is imported where singular values are computed: a report of saved rows needs only the tables.
if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Spectrum:
    """The singular values of one weight, and its changes from another checkpoint."""

    weight: Weight
    values: Tensor
    """(r,), fp64, in descending order."""
    distance: float
    """||s - s'||; 0 for the reference checkpoint."""
    change: float
    """||W - W'|| / ||W'||, Frobenius; at least ``spectrum_change``."""
    spectrum_change: float
    """||s - s'|| / ||s'||."""

    @property
    def norm(self) -> float:
        """||s||."""
        return float(self.values.norm())

    @property
    def rank(self) -> float:
        """The effective rank; see :func:`effective_rank`."""
        return effective_rank(self.values)

    def row(self, model: str) -> JsonObject:
        """The JSON row of this weight."""
        w = self.weight
        return {
            "analysis": "spectra", "model": model, "half": w.half, "layer": w.layer, "attention": w.attention,
            "weight": w.kind, "name": w.name, "shape": list(w.tensor.shape), "norm": self.norm,
            "distance": self.distance, "effective_rank": self.rank, "change": _finite(self.change),
            "spectrum_change": _finite(self.spectrum_change), "singular_values": self.values.tolist(),
        }  # fmt: skip


def singular_values(tensor: Tensor) -> Tensor:
    """The singular values, (r,) in fp64 in descending order. Raises InputError if the weight is not finite."""
    import torch

    if not torch.isfinite(tensor).all():
        raise InputError(f"a weight of shape {tuple(tensor.shape)} is not finite (NaN or infinite)")
    values: Tensor = torch.linalg.svdvals(tensor.double())
    return values


def effective_rank(values: Tensor) -> float:
    """The exponential of the entropy of normalized singular values (Roy and Vetterli 2007); 0 if all are zero."""
    total = values.sum()
    if total <= 0:
        return 0.0
    shares = values[values > 0] / total
    return float((-(shares * shares.log()).sum()).exp())


def spectra(weights: Iterable[Weight]) -> list[Spectrum]:
    """The spectra of the reference checkpoint."""
    return [Spectrum(weight, _values(weight), 0.0, 0.0, 0.0) for weight in weights]


def missing_parts(weights: Iterable[Weight], base: Iterable[Spectrum]) -> list[str]:
    """Encoder or decoder, if only one of two checkpoints has weights in it: an encoder with a head has no decoder."""
    return sorted({weight.half for weight in weights} ^ {each.weight.half for each in base})


def compared(weights: Sequence[Weight], base: Sequence[Spectrum]) -> list[Spectrum]:
    """The spectra of another checkpoint, with its changes from ``base``.

    An encoder or decoder that one of the two lacks is left out; see :func:`missing_parts`. Raises InputError if names
    or shapes of the other weights differ.
    """
    missing = missing_parts(weights, base)
    weights = [weight for weight in weights if weight.half not in missing]
    before = {each.weight.place: each for each in base if each.weight.half not in missing}
    if odd := sorted(set(before) ^ {weight.place for weight in weights}):
        parts = {half for half, *_ in odd}
        raise InputError(
            f"the layers do not match: {len(odd)} weights are in only one of the checkpoints ({', '.join(parts)}), "
            f"first layer {odd[0][1]}, {odd[0][3]}; compare checkpoints of the same architecture"
        )
    return [_compared(weight, before[weight.place]) for weight in weights]


def _compared(weight: Weight, before: Spectrum) -> Spectrum:
    old, new = before.weight.tensor, weight.tensor
    if old.shape != new.shape:
        raise InputError(
            f"the layers do not match: {weight.name} is {tuple(new.shape)}, but {tuple(old.shape)} in the other "
            "checkpoint; compare checkpoints of the same architecture"
        )
    values = _values(weight)
    distance = float((values - before.values).norm())
    change = float((new.double() - old.double()).norm())
    return Spectrum(weight, values, distance, _share(change, before.norm), _share(distance, before.norm))


def _share(part: float, whole: float) -> float:
    """The relative change; infinite if the weight was zero and has changed."""
    return part / whole if whole else (0.0 if part == 0 else float("inf"))


def _values(weight: Weight) -> Tensor:
    try:
        return singular_values(weight.tensor)
    except InputError as error:
        raise InputError(f"{weight.name}: {error}") from None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def spectra_tables(rows: AnalysisRows) -> list[Table]:
    """The tables of saved rows: norms with distances, and effective ranks with relative changes."""

    def norm(cell: AnalysisRow, first: bool) -> str:
        return f"{cell['norm']:.1f}" + ("" if first else f" ({cell['distance']:.2f})")

    def rank(cell: AnalysisRow, first: bool) -> str:
        changed = "" if first else f" ({_percent(cell['change'])} | {_percent(cell['spectrum_change'])})"
        return f"{cell['effective_rank']:.1f}{changed}"

    norms = "Norm of the singular values (and distance from those of the first model)"
    changes = "Effective rank (change of the weight | of its singular values from the first model, %)"
    return [_weights_table("norms", rows, norms, norm), _weights_table("changes", rows, changes, rank)]


def paper_table(rows: AnalysisRows) -> Table:
    """Tables 2 and 5 of Ji et al. (2024) with numbers: one row per layer and model, each weight's norm and distance."""
    kinds = unique(rows, "weight")
    columns = [Column("layer", "Layer", number=False), Column("run", "Model", number=False)]
    for kind in kinds:
        key = kind.replace(" ", "_")
        columns += [Column(f"{key}_norm", f"{kind} ∥σ∥", _digits), Column(f"{key}_d", f"{kind} d", _digits)]
    lines = []
    for place, model, cells in _lines(rows):
        line = dict.fromkeys((column.key for column in columns), TableCell())
        line |= {"layer": TableCell(place), "run": TableCell(short_backbone(model))}
        for kind, cell in cells.items():
            key = kind.replace(" ", "_")
            line |= {f"{key}_norm": TableCell(cell["norm"]), f"{key}_d": TableCell(cell["distance"])}
        lines.append(line)
    title = "Norm of the singular values of each weight, and their distance from those of the first model"
    return Table("spectra", title, tuple(columns), tuple(lines))


def spectra_figure(rows: AnalysisRows) -> Heatmaps:
    """The effective rank of a single model in % of the full rank, or each weight's change from the first model."""
    models, kinds = unique(rows, "model"), unique(rows, "weight")
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
    return Heatmaps("spectra", title, tuple(panels), across=3, limits=(0.0, None))


def _weights_table(name: str, rows: AnalysisRows, title: str, text: Callable[[AnalysisRow, bool], str]) -> Table:
    """One row per layer and model, one column per kind of weight.

    ``text`` formats a cell; its second argument says whether the cell belongs to the first model.
    """
    kinds = unique(rows, "weight")
    lines = [
        [
            place,
            short_backbone(model),
            *(text(cells[kind], model == rows[0]["model"]) if kind in cells else "" for kind in kinds),
        ]
        for place, model, cells in _lines(rows)
    ]
    return text_table(name, title, ["layer", "model", *map(number_column, kinds)], lines)


def _lines(rows: AnalysisRows) -> list[tuple[str, str, dict[str, AnalysisRow]]]:
    """Place, model, and weights by kind. Self-attention and cross-attention have separate lines; the feed-forward
    weights are on the self-attention line."""
    found: dict[tuple[str, str], dict[str, AnalysisRow]] = {}
    order: dict[tuple[str, int, bool], None] = {}
    for row in rows:
        cross = row["attention"] == "cross"
        order[row["half"], row["layer"], cross] = None
        place = f"{row['half']} {row['layer']}{' cross' if cross else ''}"
        found.setdefault((place, row["model"]), {})[row["weight"]] = row
    models = unique(rows, "model")
    places = [f"{half} {layer}{' cross' if cross else ''}" for half, layer, cross in sorted(order, key=_depth)]
    return [(p, model, found[p, model]) for p in places for model in models if (p, model) in found]


def _depth(place: tuple[str, int, bool]) -> tuple[bool, int, bool]:
    return place[0] == "decoder", place[1], place[2]


def _shade(cell: AnalysisRow | None, changes: bool) -> float:
    if cell is None or (changes and cell["change"] is None):
        return float("nan")
    return 100 * float(cell["change"] if changes else cell["effective_rank"] / len(cell["singular_values"]))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f}"


def _digits(value: float) -> str:
    return f"{value:.2f}"
