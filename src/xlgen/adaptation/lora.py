"""LoRA: ``W + (alpha / rank) B A`` with ``A`` and ``B`` of low rank (Hu et al. 2022), with the peft library."""

from __future__ import annotations

from types import ModuleType
from typing import Literal

from pydantic import Field

from xlgen.adaptation.base import MethodOptions, methods
from xlgen.adaptation.through_peft import PeftConfig, ThroughPeft
from xlgen.backbones.base import Backbone


class LoraOptions(MethodOptions):
    """Size and place of the updates. Hu et al. (2022) adapt queries and values, in section 7.1 also other matrices."""

    rank: int = Field(default=8, ge=1, le=16_384)
    """Inner dimension of the product ``B A``."""
    alpha: float = Field(default=16, gt=0, le=1e6)
    """The product is scaled by ``alpha / rank``."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout probability of the input of ``A`` in training."""
    targets: tuple[Literal["query", "key", "value", "output", "feed_forward_in", "feed_forward_out"], ...] = Field(
        default=("query", "value"), min_length=1
    )
    """The adapted matrices, in encoder and decoder, in self- and cross-attention."""


@methods.register("lora")
class Lora(ThroughPeft[LoraOptions]):
    """Freeze the model and train a low-rank update of some of its matrices."""

    Options = LoraOptions

    def peft_config(self, backbone: Backbone, peft: ModuleType) -> PeftConfig:
        """The configuration for peft. ``B`` starts at zero, so that step 0 equals the pretrained model."""
        options = self.options
        return peft.LoraConfig(
            r=options.rank,
            lora_alpha=options.alpha,
            lora_dropout=options.dropout,
            target_modules=[name for target in options.targets for name in backbone.maps(target)],
        )
