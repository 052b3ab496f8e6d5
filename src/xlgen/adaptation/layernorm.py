"""LayerNorm tuning: train the gains (and biases) of layer normalisation alone (Zhao et al. 2024, arXiv 2312.11420)."""

from __future__ import annotations

import re

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone

_NORM = re.compile(r"layer_?norm")


@methods.register("layernorm")
class LayerNormTuning(Method):
    """Freeze the model except for its layer normalisation."""

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Every layer normalisation of encoder and decoder."""
        return _NORM.search(name) is not None
