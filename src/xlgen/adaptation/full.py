"""Full finetuning: every weight (C, V, L)."""

from __future__ import annotations

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone


@methods.register("full")
class Full(Method):
    """Train everything; checkpoints are whole models."""

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Every parameter."""
        return True

    @property
    def whole_model(self) -> bool:
        """Nothing of the pretrained model is left to refer to."""
        return True
