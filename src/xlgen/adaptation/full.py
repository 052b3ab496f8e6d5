"""Full finetuning: every weight (C, V, L)."""

from __future__ import annotations

from pathlib import Path

from xlgen.adaptation.base import Method, methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone


@methods.register("full")
class Full(Method):
    """Train every weight; checkpoints are whole models."""

    def trains(self, name: str, backbone: Backbone) -> bool:
        """Every parameter."""
        return True

    def save(self, backbone: Backbone, folder: Path) -> None:
        """A model of the library, with its tokenizer."""
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)

    def load(self, backbone: Backbone, folder: Path) -> None:
        """Whole models are read by the one function that knows the traps of each family."""
        backbone.model.load_state_dict(loading.load(str(folder)).model.state_dict())

    @property
    def whole_model(self) -> bool:
        """Nothing of the pretrained model is left to refer to."""
        return True
