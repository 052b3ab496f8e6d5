"""Vectors that stand among the encoder's input embeddings, whoever calls the encoder: training, beams or one forward.

They are inserted by hooks on encoder and decoder, so that the model's own ``forward`` and ``generate`` stay in use.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from xlgen.backbones.base import Backbone
from xlgen.kernels.model_types import ForwardArguments, ForwardKeywords, ModelPart


class VirtualTokens(nn.Module, ABC):
    """Base of what gives the vectors; ``skip`` real tokens stand before them."""

    def __init__(self, skip: int = 0) -> None:
        super().__init__()
        self.skip = skip

    @abstractmethod
    def forward(self, batch: int) -> Tensor:
        """The vectors of each example: (batch, num_virtual_tokens, dim)."""


def insert_virtual_tokens(backbone: Backbone, tokens: VirtualTokens, count: int) -> None:
    """Put ``count`` vectors of ``tokens`` into every source, and keep their positions free.

    Raises BackboneError where they pass the backbone's positions.
    """
    backbone.reserve(source=count)
    encoder, decoder = backbone.model.get_encoder(), backbone.model.get_decoder()
    encoder.prompt = tokens
    encoder.register_forward_pre_hook(_with_prompt, with_kwargs=True)
    decoder.register_forward_pre_hook(_seeing_prompt, with_kwargs=True)


def _with_prompt(
    encoder: ModelPart, args: ForwardArguments, kwargs: ForwardKeywords
) -> tuple[ForwardArguments, ForwardKeywords]:
    """Embed the ids, insert the prompt and let the mask see it."""
    given = dict(kwargs)
    ids = args[0] if args else given.pop("input_ids", None)
    embedded = given.get("inputs_embeds")
    if embedded is None:
        embedded = encoder.embed_tokens(ids)  # (batch, source, dim)
    prompt = encoder.prompt(len(embedded)).to(embedded.dtype)  # (batch, prompt, dim)
    skip = encoder.prompt.skip
    given["inputs_embeds"] = torch.cat([embedded[:, :skip], prompt, embedded[:, skip:]], dim=1)
    if given.get("attention_mask") is not None:
        given["attention_mask"] = _longer(given["attention_mask"], prompt.shape[1])
    return (), given


def _seeing_prompt(
    decoder: ModelPart, args: ForwardArguments, kwargs: ForwardKeywords
) -> tuple[ForwardArguments, ForwardKeywords]:
    """The model hands the decoder the mask it was given itself, which knows nothing of the prompt."""
    hidden, mask = kwargs.get("encoder_hidden_states"), kwargs.get("encoder_attention_mask")
    if hidden is None or mask is None:
        return args, kwargs
    return args, {**kwargs, "encoder_attention_mask": _longer(mask, hidden.shape[1] - mask.shape[1])}


def _longer(mask: Tensor, count: int) -> Tensor:
    """(batch, source) to (batch, count + source). Where real tokens stand before the prompt they are no padding."""
    return torch.cat([mask.new_ones(len(mask), count), mask], dim=1)
