"""Prefix tuning: learned keys and values before those of the decoder's self-attention, with the peft library.

Li and Liang (2021). Their reparameterization is left out: peft saves only its output, so an interrupted run could not
resume exactly.

In encoder-decoder models, peft 0.21 allocates two pairs of keys and values per layer, for self- and cross-attention,
doubles that, and uses only the first pair: half of the trainable parameters get no gradient, and of L layers, i and
i + L/2 share a prefix. This is kept, because checkpoints must have the same meaning in peft.
"""

from __future__ import annotations

from types import ModuleType
from typing import ClassVar

from pydantic import Field

from xlgen.adaptation.base import MethodOptions, methods
from xlgen.adaptation.through_peft import PeftConfig, ThroughPeft
from xlgen.backbones.base import Backbone
from xlgen.kernels.decoder_steps import Pair
from xlgen.kernels.model_types import TransformersModel


class PrefixOptions(MethodOptions):
    """The length of the prefix. Li and Liang (2021) used 10 for table-to-text and 200 for summarization."""

    num_virtual_tokens: int = Field(default=100, ge=1, le=65_536)
    """Number of virtual tokens before the keys and values of each layer."""


@methods.register("prefix")
class PrefixTuning(ThroughPeft[PrefixOptions]):
    """Freeze the model and train keys and values that every decoder layer attends to first."""

    Options = PrefixOptions
    mergeable: ClassVar[bool] = False

    def insert(self, backbone: Backbone) -> None:
        """Wrap the model, and make the prefix available to the decoding engine."""
        super().insert(backbone)
        backbone.states_before_target = lambda: _states(backbone.model)

    def peft_config(self, backbone: Backbone, peft: ModuleType) -> PeftConfig:
        """The configuration for peft, with the decoder's shapes. Its default is the encoder's layers and ``d_model``.

        Raises BackboneError if there are not enough positions.
        """
        backbone.reserve(target=self.options.num_virtual_tokens)
        layers, heads, head_dim = backbone.decoder_shape
        return peft.PrefixTuningConfig(
            num_virtual_tokens=self.options.num_virtual_tokens,
            num_layers=layers,
            num_attention_heads=heads,
            token_dim=heads * head_dim,
            num_transformer_submodules=2,
        )


def _states(model: TransformersModel) -> list[Pair]:
    """The prefix of each layer's self-attention: keys and values of shape (1, heads, virtual tokens, dim)."""
    cache = model.get_prompt(batch_size=1).self_attention_cache
    return [(layer.keys, layer.values) for layer in cache.layers]
