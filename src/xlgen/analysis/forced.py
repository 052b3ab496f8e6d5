"""A decoder's states at every layer under teacher forcing, and the logit lens on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample

_BATCH_TOKENS = 1_024
"""Few tokens per batch, because the model computes logits over its vocabulary for all of them."""


def forced_states(backbone: Backbone, examples: Sequence[EncodedExample]) -> list[Tensor]:
    """The decoder's states for each example's input and target: (1 + layers, tokens, width), fp32, on the CPU.

    Layer 0 is the embeddings; the last layer is after the decoder's final norm, which is the input of the head. Tokens
    are those of the target after its forced prefix (a language code). The state at a token's position is the one that
    predicts it, and depends only on the tokens before it.
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
    """The logit lens (nostalgebraist 2020): final norm and head applied to the states of each decoder layer.

    Args:
        backbone: The backbone, set to the language of the examples if its method depends on the language.
        examples: Inputs with the targets for teacher forcing, as for :func:`forced_states`.
        classes: The class of each token of the vocabulary, with shape (vocabulary,).
        steps: The number of leading tokens of each target to use.

    Returns:
        The share of probability on each class, averaged over the examples that have the step: (1 + layers, steps,
        classes); and the number of these examples: (steps,).
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
    """Yield the indices of a batch, and the decoder's states of every layer, each (batch, target, width)."""
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
