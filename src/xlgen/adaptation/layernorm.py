"""LayerNorm tuning: train only the gains and biases of layer normalization (Zhao et al. 2024, arXiv 2312.11420)."""

from __future__ import annotations

import re

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone

_NORM = re.compile(r"layer_?norm")


@methods.register("layernorm")
class LayerNormTuning(Method):
    """Freeze the model except for its layer normalization."""

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` belongs to a layer normalization of encoder or decoder."""
        return _NORM.search(name) is not None
