"""The states of a model for parallel sentences, by language and layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xlgen.core.registry import InputError


@dataclass(frozen=True)
class LayerStates:
    """The states of an encoder, or another part of a model, for parallel sentences. Layer 0 is the embeddings."""

    model: str
    ids: Sequence[str]
    """Ids of the sentences, the same in every language."""
    of: Mapping[str, NDArray[np.float32]]
    """States by language: (1 + layers, sentences, width), averaged over each sentence's tokens."""
    lengths: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """Length of each sentence in input tokens, by language; empty if not known."""
    part: str = "encoder"
    """The part of the model."""

    def __post_init__(self) -> None:
        for language, states in self.of.items():
            if states.shape[1] != len(self.ids):
                raise InputError(
                    f"{self.model}: {states.shape[1]} sentences in {language} and {len(self.ids)} ids; only "
                    "representations of parallel sentences can be compared"
                )
            broken = [layer for layer, rows in enumerate(states) if not np.isfinite(rows).all()]
            if broken:
                raise InputError(
                    f"{self.model}: the states of layer {broken[0]} in {language} are not finite (NaN or infinite) "
                    f"in its {self.part}; the checkpoint has diverged, or its precision is too low for it"
                )

    @property
    def depth(self) -> int:
        """The number of layers, without the embeddings."""
        layers: int = next(iter(self.of.values())).shape[0]
        return layers - 1

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages, in the order in which they were read."""
        return tuple(self.of)
