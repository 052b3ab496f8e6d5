"""BitFit: train only the bias vectors (Ben Zaken et al. 2022)."""

from __future__ import annotations

from xlgen.adaptation.base import Method, methods
from xlgen.backbones.base import Backbone, BackboneError


@methods.register("bitfit")
class BitFit(Method):
    """Freeze the matrices and train the biases."""

    def prepare(self, backbone: Backbone, seed: int = 0) -> None:
        """Raises BackboneError if the model has no biases, such as T5."""
        if not any(self.trains(name, backbone) for name, _ in backbone.model.named_parameters()):
            raise BackboneError(f"bitfit: {backbone.name} has no bias vectors; layernorm trains as few parameters")
        super().prepare(backbone, seed)

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Whether ``name`` is a bias of a linear map or of layer normalization."""
        return name.endswith(".bias")
