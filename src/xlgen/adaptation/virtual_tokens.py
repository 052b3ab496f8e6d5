"""Vectors inserted among the encoder's input embeddings, in training and in generation.

Hooks on encoder and decoder insert them, so the model's own ``forward`` and ``generate`` remain in use.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from xlgen.backbones.base import Backbone
from xlgen.kernels.model_types import ForwardArguments, ForwardKeywords, ModelPart


class VirtualTokens(nn.Module, ABC):
    """Base of modules that return the vectors; ``skip`` is the number of tokens before them."""

    def __init__(self, skip: int = 0) -> None:
        super().__init__()
        self.skip = skip

    @abstractmethod
    def forward(self, batch: int) -> Tensor:
        """The vectors of each example, of shape (batch, num_virtual_tokens, dim)."""


def insert_virtual_tokens(backbone: Backbone, tokens: VirtualTokens, count: int) -> None:
    """Insert the ``count`` vectors of ``tokens`` into every source, and reserve their positions.

    Raises BackboneError if the backbone does not have enough positions.
    """
    backbone.reserve(source=count)
    encoder, decoder = backbone.model.get_encoder(), backbone.model.get_decoder()
    encoder.prompt = tokens
    encoder.register_forward_pre_hook(_with_prompt, with_kwargs=True)
    decoder.register_forward_pre_hook(_seeing_prompt, with_kwargs=True)


def _with_prompt(
    encoder: ModelPart, args: ForwardArguments, kwargs: ForwardKeywords
) -> tuple[ForwardArguments, ForwardKeywords]:
    """Forward pre-hook: embed the ids, and insert the prompt into embeddings and mask."""
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
    """Forward pre-hook: extend the mask, which the model passes to the decoder without the prompt."""
    hidden, mask = kwargs.get("encoder_hidden_states"), kwargs.get("encoder_attention_mask")
    if hidden is None or mask is None:
        return args, kwargs
    return args, {**kwargs, "encoder_attention_mask": _longer(mask, hidden.shape[1] - mask.shape[1])}


def _longer(mask: Tensor, count: int) -> Tensor:
    """Extend a mask from (batch, source) to (batch, count + source). Tokens before the prompt are never padding."""
    return torch.cat([mask.new_ones(len(mask), count), mask], dim=1)
