"""Sentence representations: means of an encoder's states over the tokens of each text, in the last layer or in all.

Li and Murray (2023, footnote 2) and Ji et al. (2024, section 3.2) use them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.backbones.inference_modules import fast_modules
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample
from xlgen.kernels.attention import fast_encoder
from xlgen.representations.xlrs import mean_states

_BATCH_TOKENS = 8_000


def means(backbone: Backbone, inputs: Sequence[EncodedExample]) -> Tensor:
    """The mean of the encoder's last states over each input's tokens: (inputs, width), fp32, on the CPU."""
    return _means(backbone, inputs, every=False)[0]


def layer_means(backbone: Backbone, inputs: Sequence[EncodedExample]) -> Tensor:
    """:func:`means` of the embeddings and of every layer, in one pass: (1 + layers, inputs, width), fp32, on the CPU.

    The last layer's are taken after the encoder's final norm, if any, and so equal those of :func:`means`.
    """
    return _means(backbone, inputs, every=True)


@torch.inference_mode()
def _means(backbone: Backbone, inputs: Sequence[EncodedExample], every: bool) -> Tensor:
    device = next(backbone.model.parameters()).device
    was_training = backbone.model.training
    backbone.model.eval()
    found: list[Tensor] = [torch.empty(0)] * len(inputs)
    try:
        with _fast(backbone):
            for batch in _batches(inputs):
                tensors = backbone.collate_sources([inputs[i] for i in batch])
                given = {name: tensor.to(device) for name, tensor in tensors.items()}  # including BERT's segments
                mask = given["attention_mask"]
                output = backbone.encoder(**given, **({"output_hidden_states": True} if every else {}))
                states = output.hidden_states if every else (output.last_hidden_state,)
                # Positions before the text belong to a prompt.
                rows = torch.stack([mean_states(layer[:, -mask.shape[1] :], mask) for layer in states], 1).cpu()
                for place, row in zip(batch, rows, strict=True):  # (layers, width)
                    found[place] = row
    finally:
        backbone.model.train(was_training)
    return torch.stack(found, 1)


@contextmanager
def _fast(backbone: Backbone) -> Iterator[None]:
    """The faster modules are for the encoders of models with a decoder."""
    if not backbone.decodes:
        yield
        return
    with fast_modules(backbone.model), fast_encoder(backbone.model):
        yield


def _batches(inputs: Sequence[EncodedExample]) -> Iterator[list[int]]:
    lengths = [(len(each.source), 0) for each in inputs]
    return budget_batches(lengths, max(_BATCH_TOKENS, *(length for length, _ in lengths)))
