"""LoRA: ``W + (alpha / rank) B A`` with ``A`` and ``B`` of low rank (Hu et al. 2022), through the peft library."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

from pydantic import Field

from xlgen.adaptation.base import methods
from xlgen.adaptation.through_peft import ThroughPeft
from xlgen.backbones.base import Backbone
from xlgen.core.config import Config


class LoraOptions(Config):
    """Hu et al. adapt queries and values, in section 7.1 of all attention's matrices."""

    rank: int = Field(default=8, ge=1, le=16_384)
    alpha: float = Field(default=16, gt=0, le=1e6)
    """The product is scaled by ``alpha / rank``."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of the input of ``A``, while training."""
    targets: tuple[Literal["query", "key", "value", "output", "feed_forward_in", "feed_forward_out"], ...] = Field(
        default=("query", "value"), min_length=1
    )
    """Which matrices, in encoder and decoder, self- and cross-attention."""


@methods.register("lora")
class Lora(ThroughPeft):
    """Freeze the model, train a low-rank addition to some of its matrices."""

    Options = LoraOptions

    def peft_config(self, backbone: Backbone, peft: ModuleType) -> Any:
        """``B`` starts at zero, so that step 0 equals the pretrained model."""
        options = self.options
        return peft.LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=[name for target in options.targets for name in backbone.maps(target)],
        )
