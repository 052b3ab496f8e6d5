"""Cross entropy over a large vocabulary in chunks of rows, so that not all logits are in memory at once.

With a vocabulary of 250,112 tokens, the logits of 1,000 target tokens are 1 GB in fp32, and the usual implementation
keeps three copies. Here each chunk of rows goes from hidden states to the loss, and directly to the gradients of hidden
states and weights.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from xlgen.kernels.autograd_types import AutogradContext, TensorFunction
from xlgen.kernels.embedding_gradients import gradient_memory
from xlgen.kernels.model_types import TransformersModel

CHUNK_ELEMENTS = 2**26
"""Logits in memory at once, in the precision of the products: 128 MiB in bf16. Weights are read once per chunk."""
ROW_ELEMENTS = 2**22
"""The number of these logits in fp32 at a time: few enough to stay in the processor's cache."""


class _CrossEntropyContext(AutogradContext):
    gradients: Sequence[Tensor | None] | None


class _LinearCrossEntropy(TensorFunction):
    """Sum of the cross entropies of ``hidden @ weight.T + bias``. The forward pass computes the gradients."""

    @staticmethod
    def forward(
        ctx: _CrossEntropyContext,
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
            # From here on, `logits` contains the gradient.
            if grad_hidden is not None:
                grad_hidden[start : start + rows] = _product(logits, weight) * factor
            if grad_weight is not None:
                _add_product(grad_weight, logits, part * factor, start == 0)
        ctx.gradients = grad_hidden, grad_weight
        return loss * factor

    @staticmethod
    def backward(ctx: _CrossEntropyContext, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        (scale,) = upstream
        # In place, because the weight's gradient is large, and only if needed. This allows only one backward pass.
        gradients, ctx.gradients = ctx.gradients, None
        if gradients is None:
            raise RuntimeError("this loss allows only one backward pass")
        if scale.device.type != "cpu" or scale != 1:
            gradients = [None if gradient is None else gradient.mul_(scale) for gradient in gradients]
        return *gradients, None, None, None, None, None


def _rows_loss(logits: Tensor, bias: Tensor | None, labels: Tensor, smoothing: float, gradient: bool) -> Tensor:
    """The loss of these rows. With ``gradient``, ``logits`` is overwritten by the gradient of the loss."""
    classes = logits.shape[1]
    loss = logits.new_zeros((), dtype=torch.float32)
    rows = max(1, ROW_ELEMENTS // classes)
    for start in range(0, len(logits), rows):
        chunk = logits[start : start + rows]
        values, wanted = chunk.float(), labels[start : start + rows, None]
        if bias is not None:
            values = values + bias
        chances = values.softmax(-1)
        # The largest probability is at least 1 / classes, so its logarithm is accurate even if others underflow.
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


# If the precision differs from the weights', these functions convert some classes at a time, which fit in the cache:
# allocating new memory costs more than the products.


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
    """``total += gradient.T @ part``, or ``total = gradient.T @ part`` if ``fresh``."""
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
    """``cross_entropy(linear(hidden, weight, bias), labels, reduction="sum")`` without all logits at once, in fp32.

    Products are in autocast's precision if it is enabled. ``bias`` gets no gradient.

    Args:
        hidden: (rows, dim).
        weight: (vocabulary, dim).
        labels: (rows,), valid classes only; leave out ignored rows.
        bias: (vocabulary,).
        label_smoothing: Share of the target that is spread over the vocabulary (Szegedy et al. 2016, section 7).
        factor: Factor of the loss, which is cheaper to apply here than afterwards.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else weight.dtype
    with torch.autocast(kind, enabled=False):
        return _LinearCrossEntropy.apply(hidden, weight, bias, labels, label_smoothing, factor, dtype)


@contextmanager
def loss_in_the_head(
    model: nn.Module, labels: Tensor, ignored: int, label_smoothing: float = 0.0, factor: Tensor | float = 1.0
) -> Iterator[list[Tensor]]:
    """Within the context, the model's head computes a loss instead of logits, and appends it to the yielded list.

    The head computes it within the model's forward pass, because wrappers that gather or synchronise weights (DDP,
    FSDP) expect weights to be used there. The logits that the model returns are meaningless.

    Args:
        model: A sequence-to-sequence model, wrapped or not.
        labels: (batch, target).
        ignored: The label to ignore.
        label_smoothing, factor: As in :func:`linear_cross_entropy`.
    """
    plain: TransformersModel = getattr(model, "module", model)
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
