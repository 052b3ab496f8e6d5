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

from xlgen.kernels.embedding_gradients import gradient_memory

CHUNK_ELEMENTS = 2**26
"""Logits that exist at once, in the precision of the products: 128 MiB in bf16. Weights are read once a chunk."""
ROW_ELEMENTS = 2**22
"""Of those, how many are in fp32 at a time: few enough to stay in the processor's cache."""


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
        factor: Tensor | float,
        dtype: torch.dtype,
    ) -> Tensor:
        needs_hidden, needs_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if needs_hidden else None
        grad_weight = gradient_memory(weight) if needs_weight else None
        if grad_weight is not None and not len(hidden):
            grad_weight.zero_()
        loss = hidden.new_zeros((), dtype=torch.float32)
        rows = max(1, CHUNK_ELEMENTS // len(weight))
        for start in range(0, len(hidden), rows):
            part = hidden[start : start + rows].to(dtype)
            logits = _logits(part, weight)
            loss += _rows_loss(
                logits, bias, labels[start : start + rows], label_smoothing, needs_hidden or needs_weight
            )
            # From here on they are the gradient.
            if grad_hidden is not None:
                grad_hidden[start : start + rows] = _product(logits, weight) * factor
            if grad_weight is not None:
                _add_product(grad_weight, logits, part * factor, start == 0)
        ctx.gradients = grad_hidden, grad_weight
        return loss * factor

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        (scale,) = upstream
        # In place, since the weights' is large, and not where there is nothing to do; so there is one backward pass.
        gradients, ctx.gradients = ctx.gradients, None
        if scale.device.type != "cpu" or scale != 1:
            gradients = [None if gradient is None else gradient.mul_(scale) for gradient in gradients]
        return *gradients, None, None, None, None, None


def _rows_loss(logits: Tensor, bias: Tensor | None, labels: Tensor, smoothing: float, gradient: bool) -> Tensor:
    """The loss of these rows; where a ``gradient`` is asked for, ``logits`` becomes that of the loss towards it."""
    classes = logits.shape[1]
    loss = logits.new_zeros((), dtype=torch.float32)
    rows = max(1, ROW_ELEMENTS // classes)
    for start in range(0, len(logits), rows):
        chunk = logits[start : start + rows]
        values, wanted = chunk.float(), labels[start : start + rows, None]
        if bias is not None:
            values = values + bias
        chances = values.softmax(-1)
        # The largest probability is at least 1 / classes, so that its logarithm is exact where others underflow.
        normaliser = values.amax(-1, keepdim=True) - chances.amax(-1, keepdim=True).log()
        loss += ((1 - smoothing) * (normaliser - values.gather(-1, wanted))).sum()
        if smoothing:
            loss += smoothing * (normaliser[:, 0] - values.mean(-1)).sum()
        if gradient:  # softmax - target
            if smoothing:
                chances -= smoothing / classes
            chances.scatter_add_(-1, wanted, chances.new_full(wanted.shape, smoothing - 1))
            chunk.copy_(chances)
    return loss


# In other precisions than the weights' these go over some classes at a time, whose copies the cache holds: memory that
# is new costs more than the products.


def _classes(weight: Tensor) -> Iterator[slice]:
    size = max(1, ROW_ELEMENTS // weight.shape[1])
    for start in range(0, len(weight), size):
        yield slice(start, start + size)


def _logits(part: Tensor, weight: Tensor) -> Tensor:
    """``part @ weight.T``."""
    if part.dtype == weight.dtype:
        return part @ weight.T
    found = part.new_empty((len(part), len(weight)))
    for classes in _classes(weight):
        found[:, classes] = part @ weight[classes].to(part.dtype).T
    return found


def _product(gradient: Tensor, weight: Tensor) -> Tensor:
    """``gradient @ weight``."""
    if gradient.dtype == weight.dtype:
        return gradient @ weight
    found = weight.new_zeros((len(gradient), weight.shape[1]))
    for classes in _classes(weight):
        found += gradient[:, classes] @ weight[classes].to(gradient.dtype)
    return found


def _add_product(total: Tensor, gradient: Tensor, part: Tensor, fresh: bool) -> None:
    """``total += gradient.T @ part``; instead of the sum, where ``total`` is ``fresh``, the product."""
    if total.dtype == gradient.dtype:
        torch.addmm(total, gradient.T, part, beta=0 if fresh else 1, out=total)
        return
    for classes in _classes(total):
        product = gradient[:, classes].T @ part
        if fresh:
            total[classes] = product
        else:
            total[classes] += product


def linear_cross_entropy(
    hidden: Tensor,
    weight: Tensor,
    labels: Tensor,
    bias: Tensor | None = None,
    label_smoothing: float = 0.0,
    factor: Tensor | float = 1.0,
) -> Tensor:
    """``cross_entropy(linear(hidden, weight, bias), labels, reduction="sum")`` without the logits, in fp32.

    Products are in autocast's precision where it is on. ``bias`` gets no gradient.

    Args:
        hidden: (rows, dim).
        weight: (vocabulary, dim).
        labels: (rows,), each of them a class; leave rows that do not count out.
        bias: (vocabulary,).
        label_smoothing: Share of the target that is spread over the vocabulary (Szegedy et al. 2016, section 7).
        factor: What the loss is multiplied by: cheaper here than behind.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    with torch.autocast(kind, enabled=False):
        return _LinearCrossEntropy.apply(hidden, weight, bias, labels, label_smoothing, factor, dtype)


@contextmanager
def loss_in_the_head(
    model: nn.Module, labels: Tensor, ignored: int, label_smoothing: float = 0.0, factor: Tensor | float = 1.0
) -> Iterator[list[Tensor]]:
    """Within the context the model's head computes a loss in place of logits, and puts it into the list given.

    It is the head that does it, so that it happens within the model's forward pass, where wrappers that gather or
    synchronise weights (DDP, FSDP) expect them to be used. What the model returns as logits means nothing.

    Args:
        model: A sequence-to-sequence model, wrapped or not.
        labels: (batch, target).
        ignored: The label that does not count.
        label_smoothing, factor: As in ``linear_cross_entropy``.
    """
    plain: Any = getattr(model, "module", model)
    head, bias = plain.get_output_embeddings(), getattr(plain, "final_logits_bias", None)
    found: list[Tensor] = []

    def forward(hidden: Tensor) -> Tensor:
        counted = labels != ignored
        flat = None if bias is None else bias.flatten()
        found.append(linear_cross_entropy(hidden[counted], head.weight, labels[counted], flat, label_smoothing, factor))
        return hidden.new_zeros(())

    head.forward = forward
    try:
        yield found
    finally:
        del head.forward
