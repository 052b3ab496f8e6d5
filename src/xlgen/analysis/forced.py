"""What a decoder makes of texts that it is forced to write: its states at every layer, and what these would say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample

_BATCH_TOKENS = 1_024
"""Few, since the model gives logits over its vocabulary for all of them."""


def forced_states(backbone: Backbone, examples: Sequence[EncodedExample]) -> list[Tensor]:
    """Of each example's input with its target: (1 + layers, tokens, width), fp32, on the CPU.

    Layer 0 are the embeddings; the last one is behind the decoder's final norm, and so what the head is given. Tokens
    are those of the target that are not forced at its start (a language code): the state in the place of a token is
    the one that predicts it, and knows those before it only.
    """
    found: list[Tensor] = [torch.empty(0)] * len(examples)
    for batch, states in _batches(backbone, examples):
        for place, index in enumerate(batch):
            example = examples[index]
            first = len(backbone.target_prefix(example.language))
            found[index] = torch.stack([layer[place, first : len(example.target)] for layer in states]).float().cpu()
    return found


@torch.inference_mode()
def lens(backbone: Backbone, examples: Sequence[EncodedExample], classes: Tensor, steps: int) -> tuple[Tensor, Tensor]:
    """The logit lens (nostalgebraist 2020): final norm and head applied to the states of each layer of the decoder.

    Args:
        backbone: In the language of the examples, where its method differs by language.
        examples: Inputs with the targets that are forced, as for :func:`forced_states`.
        classes: The class of each piece of the vocabulary: (vocabulary,).
        steps: The first so many tokens of a target.

    Returns:
        The share of probability on each class, as a mean over the examples that are so long: (1 + layers, steps,
        classes); and how many these are: (steps,).
    """
    member = torch.nn.functional.one_hot(classes).double()  # (vocabulary, classes)
    step = backbone.decoder_step(1)
    device = next(backbone.model.parameters()).device
    layers = 0
    total, count = torch.zeros(0), torch.zeros(steps, dtype=torch.long)
    for states in forced_states(backbone, examples):
        seen = states[:, :steps].to(device)
        below = step.norm(seen[:-1].contiguous())
        logits = step.logits(torch.cat([below, seen[-1:]]))  # (1 + layers, tokens, vocabulary)
        shares = logits.double().softmax(-1).cpu() @ member
        if not layers:
            layers = len(shares)
            total = torch.zeros(layers, steps, member.shape[1], dtype=torch.double)
        length = shares.shape[1]
        total[:, :length] += shares
        count[:length] += 1
    return total / count.clamp(min=1)[None, :, None], count


@torch.inference_mode()
def _batches(backbone: Backbone, examples: Sequence[EncodedExample]) -> Iterator[tuple[list[int], Sequence[Tensor]]]:
    """Indices of a batch, and the decoder's states of every layer: (batch, target, width) each."""
    device = next(backbone.model.parameters()).device
    was_training = backbone.model.training
    backbone.model.eval()
    lengths = [(len(each.source), len(each.target)) for each in examples]
    budget = max(_BATCH_TOKENS, *(max(pair) for pair in lengths))
    try:
        for batch in budget_batches(lengths, budget):
            tensors = backbone.collate([examples[index] for index in batch])
            tensors.pop("labels")
            given = {name: tensor.to(device) for name, tensor in tensors.items()}
            yield batch, backbone.model(**given, output_hidden_states=True).decoder_hidden_states
    finally:
        backbone.model.train(was_training)
