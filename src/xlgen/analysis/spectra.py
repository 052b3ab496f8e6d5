"""Singular values of a model's weights, and how far training moved them (Ji et al. 2024, section 3.3, Tables 2 and 5).

For each weight W with singular values s = (s_1, ..., s_r) in descending order, computes the norm ||s||, which is the
Frobenius norm of W; the distance ||s - s'|| to the singular values of the same weight in another checkpoint; and the
effective rank exp(-sum p_i log p_i) with p = s / sum(s) (Roy and Vetterli 2007), from 1 to r. As in Ji et al. (2024),
nothing is averaged over layers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from xlgen.core.registry import InputError

KINDS: Mapping[str, str] = {
    "key": "K",
    "query": "Q",
    "value": "V",
    "output": "Out",
    "feed_forward_in": "FC1",
    "feed_forward_out": "FC2",
}
"""Names of a backbone's ``projections`` in the papers, in the order of the tables of Ji et al. (2024)."""
_LAYER = re.compile(r"(?:\b(?P<half>encoder|decoder)\.)?(?:block|layers|layer)\.(?P<number>\d+)\.")
_CROSS = re.compile(r"\b(?:EncDecAttention|encoder_attn|crossattention)\b")


@dataclass(frozen=True)
class Weight:
    """One weight matrix, and its place in the model."""

    half: str
    """``encoder`` or ``decoder``."""
    layer: int
    """Index of the layer, from 0."""
    attention: str
    """``self`` or ``cross``; empty for feed-forward weights."""
    kind: str
    """One of ``K Q V Out FC1 FC2``, followed by the matrix's name if a kind has several: ``FC1 wi_0``."""
    name: str
    """The parameter's name."""
    tensor: Tensor
    """(output, input)."""

    @property
    def place(self) -> tuple[str, int, str, str]:
        """The key that identifies the same weight in different checkpoints."""
        return self.half, self.layer, self.attention, self.kind


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

    def row(self, model: str) -> dict[str, Any]:
        """The JSON row of this weight."""
        w = self.weight
        return {
            "analysis": "spectra", "model": model, "half": w.half, "layer": w.layer, "attention": w.attention,
            "weight": w.kind, "name": w.name, "shape": list(w.tensor.shape), "norm": self.norm,
            "distance": self.distance, "effective_rank": self.rank, "change": _finite(self.change),
            "spectrum_change": _finite(self.spectrum_change), "singular_values": self.values.tolist(),
        }  # fmt: skip


def weights_of(
    model: nn.Module, projections: Mapping[str, Sequence[str]], rename: Callable[[str], str] | None = None
) -> list[Weight]:
    """The named weights of ``model``, by half, layer and attention, in the order of the tables of Ji et al. (2024).

    Args:
        model: A model of ``transformers``, or one that wraps it.
        projections: The suffixes of the names of linear maps by kind, as in :attr:`Backbone.weight_names`.
        rename: Maps a parameter's name to its name before a method wrapped it.
    """
    ends = [
        (tuple(f"{end}.weight".split(".")), f"{KINDS[kind]} {end}" if len(names) > 1 else KINDS[kind], kind)
        for kind, names in projections.items()
        for end in names
    ]
    found = [
        weight
        for name, parameter in model.named_parameters()
        if (weight := _weight(rename(name) if rename else name, parameter.detach(), ends)) is not None
    ]
    order = {label: place for place, label in enumerate(KINDS.values())}
    return sorted(
        found, key=lambda w: (w.half == "decoder", w.layer, w.attention == "cross", order[w.kind.split()[0]], w.kind)
    )


def _weight(name: str, tensor: Tensor, ends: Sequence[tuple[tuple[str, ...], str, str]]) -> Weight | None:
    place = _LAYER.search(name)
    if place is None or tensor.dim() != 2:
        return None
    parts = tuple(name.split("."))
    # The longest suffix: BERT's attention.output.dense also ends in output.dense.
    fitting = [each for each in ends if parts[-len(each[0]) :] == each[0]]
    if not fitting:
        return None
    _, label, kind = max(fitting, key=lambda each: len(each[0]))
    attention = "" if kind.startswith("feed_forward") else "cross" if _CROSS.search(name) else "self"
    return Weight(place["half"] or "encoder", int(place["number"]), attention, label, name, tensor)


def singular_values(tensor: Tensor) -> Tensor:
    """The singular values, (r,) in fp64 in descending order. Raises InputError if the weight is not finite."""
    if not torch.isfinite(tensor).all():
        raise InputError(f"a weight of shape {tuple(tensor.shape)} is not finite (NaN or infinite)")
    return torch.linalg.svdvals(tensor.double())


def effective_rank(values: Tensor) -> float:
    """The exponential of the entropy of normalized singular values (Roy and Vetterli 2007); 0 if all are zero."""
    total = values.sum()
    if total <= 0:
        return 0.0
    shares = values[values > 0] / total
    return float(torch.exp(-(shares * shares.log()).sum()))


def spectra(weights: Iterable[Weight]) -> list[Spectrum]:
    """The spectra of the reference checkpoint."""
    return [Spectrum(weight, _values(weight), 0.0, 0.0, 0.0) for weight in weights]


def missing_halves(weights: Iterable[Weight], base: Iterable[Spectrum]) -> list[str]:
    """The halves in which only one of two checkpoints has weights: an encoder with a head has no decoder."""
    return sorted({weight.half for weight in weights} ^ {each.weight.half for each in base})


def compared(weights: Sequence[Weight], base: Sequence[Spectrum]) -> list[Spectrum]:
    """The spectra of another checkpoint, with its changes from ``base``.

    A half that one of the two lacks completely is left out; see :func:`missing_halves`. Raises InputError if names or
    shapes of the other weights differ.
    """
    missing = missing_halves(weights, base)
    weights = [weight for weight in weights if weight.half not in missing]
    before = {each.weight.place: each for each in base if each.weight.half not in missing}
    if odd := sorted(set(before) ^ {weight.place for weight in weights}):
        halves = {half for half, *_ in odd}
        raise InputError(
            f"the layers do not match: {len(odd)} weights are in only one of the checkpoints ({', '.join(halves)}), "
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
