"""BitFit: train the bias vectors alone (Ben Zaken et al. 2022)."""

from __future__ import annotations

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone, BackboneError


@methods.register("bitfit")
class BitFit(Method):
    """Freeze the matrices and train the biases."""

    def prepare(self, backbone: Backbone, seed: int = 0) -> None:
        """Raises BackboneError for a model that has no biases, as T5's kind has none."""
        if not any(self.trains(name, backbone) for name, _ in backbone.model.named_parameters()):
            raise BackboneError(f"bitfit: {backbone.name} has no bias vectors; layernorm trains as little")
        super().prepare(backbone, seed)

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Biases of linear maps and of layer normalisation."""
        return name.endswith(".bias")
