"""Cross entropy of a large vocabulary, some rows of logits at a time, so that all of them never exist at once.

With 250,112 pieces the logits of 1,000 target tokens are 1 GB in fp32, and the usual way holds them three times over.
Here a chunk of rows goes from hidden states to loss and straight on to the gradients of hidden states and weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

CHUNK_ELEMENTS = 2**24
"""Logits that exist at once: 64 MiB in fp32."""


class _LinearCrossEntropy(torch.autograd.Function):
    """Sum of the cross entropies of ``hidden @ weight.T + bias``; the gradients are computed on the way forward."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        labels: Tensor,
        label_smoothing: float,
        dtype: torch.dtype,
    ) -> Tensor:
        cast = weight.to(dtype)
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = torch.zeros_like(weight) if needs_weight else None
        loss = hidden.new_zeros((), dtype=torch.float32)
        rows = max(1, CHUNK_ELEMENTS // len(weight))
        for start in range(0, len(hidden), rows):
            part = hidden[start : start + rows].to(dtype)
            wanted = labels[start : start + rows, None]
            logits = (part @ cast.T).float()
            if bias is not None:
                logits += bias
            normaliser = logits.logsumexp(-1, keepdim=True)
            loss += ((1 - label_smoothing) * (normaliser - logits.gather(-1, wanted))).sum()
            if label_smoothing:
                loss += label_smoothing * (normaliser[:, 0] - logits.mean(-1)).sum()
            if grad_hidden is None and grad_weight is None:
                continue
            # d loss / d logits = softmax - target, written over the logits.
            gradient = logits.sub_(normaliser).exp_()
            if label_smoothing:
                gradient -= label_smoothing / len(weight)
            gradient.scatter_add_(-1, wanted, gradient.new_full(wanted.shape, label_smoothing - 1))
            gradient = gradient.to(dtype)
            if grad_hidden is not None:
                grad_hidden[start : start + rows] = gradient @ cast
            if grad_weight is not None:
                _add_product(grad_weight, gradient, part)
        ctx.gradients = grad_hidden, grad_weight
        return loss

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (scale,) = upstream
        # In place, since the weights' is large; so there is one backward pass.
        gradients, ctx.gradients = ctx.gradients, None
        return (*(None if gradient is None else gradient.mul_(scale) for gradient in gradients), None, None, None, None)


def _add_product(total: Tensor, gradient: Tensor, part: Tensor) -> None:
    if total.dtype == gradient.dtype:
        total.addmm_(gradient.T, part)
    else:
        total += gradient.T @ part


def linear_cross_entropy(
    hidden: Tensor, weight: Tensor, labels: Tensor, bias: Tensor | None = None, label_smoothing: float = 0.0
) -> Tensor:
    """``cross_entropy(linear(hidden, weight, bias), labels, reduction="sum")`` without the logits, in fp32.

    Products are in autocast's precision where it is on. ``bias`` gets no gradient.

    Args:
        hidden: (rows, dim).
        weight: (vocabulary, dim).
        labels: (rows,), each of them a class; leave rows that do not count out.
        bias: (vocabulary,).
        label_smoothing: Share of the target that is spread over the vocabulary (Szegedy et al. 2016, section 7).
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    with torch.autocast(kind, enabled=False):
        return _LinearCrossEntropy.apply(hidden, weight, bias, labels, label_smoothing, dtype)


@contextmanager
def loss_in_the_head(
    model: nn.Module, labels: Tensor, ignored: int, label_smoothing: float = 0.0
) -> Iterator[list[Tensor]]:
    """Within the context the model's head computes a loss in place of logits, and puts it into the list given.

    It is the head that does it, so that it happens within the model's forward pass, where wrappers that gather or
    synchronise weights (DDP, FSDP) expect them to be used. What the model returns as logits means nothing.

    Args:
        model: A sequence-to-sequence model, wrapped or not.
        labels: (batch, target).
        ignored: The label that does not count.
        label_smoothing: As in ``linear_cross_entropy``.
    """
    plain: Any = getattr(model, "module", model)
    head, bias = plain.get_output_embeddings(), getattr(plain, "final_logits_bias", None)
    found: list[Tensor] = []

    def forward(hidden: Tensor) -> Tensor:
        counted = labels != ignored
        flat = None if bias is None else bias.flatten()
        found.append(linear_cross_entropy(hidden[counted], head.weight, labels[counted], flat, label_smoothing))
        return hidden.new_zeros(())

    head.forward = forward
    try:
        yield found
    finally:
        del head.forward
