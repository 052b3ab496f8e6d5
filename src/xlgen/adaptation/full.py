"""Full finetuning: train every weight."""

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
        """Save the model and its tokenizer with ``save_pretrained``."""
        backbone.model.save_pretrained(folder)
        backbone.tokenizer.save_pretrained(folder)

    def load(self, backbone: Backbone, folder: Path) -> None:
        """Load a whole model, with the repairs that its family needs."""
        backbone.model.load_state_dict(loading.load(str(folder)).model.state_dict())

    @property
    def whole_model(self) -> bool:
        """True, because no pretrained weight remains."""
        return True
