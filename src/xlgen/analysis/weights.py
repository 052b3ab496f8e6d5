"""The weight matrices of a model with their places: encoder or decoder, layer, attention and kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

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


def weights_of(
    model: nn.Module, projections: Mapping[str, Sequence[str]], rename: Callable[[str], str] | None = None
) -> list[Weight]:
    """The named weights of ``model``, by their places, in the order of the tables of Ji et al. (2024).

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
