"""Gradients of large embedding tables, added directly to the rows in use.

For every use of the table, PyTorch creates a gradient as large as the table, nearly all of it zeros, and adds them up.
With mT5's 250,112 tokens this costs more time and memory than the layers of a small model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from xlgen.kernels.autograd_types import AutogradContext, TensorFunction

_direct: ContextVar[bool] = ContextVar("direct", default=False)


@contextmanager
def direct_gradients(wanted: bool = True) -> Iterator[None]:
    """Let operations within the context add to ``grad`` of embeddings in the backward pass, bypassing autograd.

    Use this in a training loop that only reads ``grad`` and clips with :func:`clip_norm`, if nothing else adds to these
    gradients. Do not use it with processes that exchange gradients through autograd hooks.
    """
    token = _direct.set(wanted)
    try:
        yield
    finally:
        _direct.reset(token)


def embedding(ids: Tensor, module: torch.nn.Embedding) -> Tensor:
    """Equivalent to ``torch.nn.Embedding``, with direct gradients within :func:`direct_gradients`."""
    weight: Tensor = module.weight
    plain = weight.is_leaf and weight.requires_grad and weight.device.type == "cpu" and weight.dtype == torch.float32
    if not (_direct.get() and plain and torch.is_grad_enabled()):
        return functional.embedding(ids, weight, module.padding_idx)
    return _Embedding.apply(ids, weight, module.padding_idx)


class _EmbeddingContext(AutogradContext):
    weight: Tensor
    padding: int | None


class _Embedding(TensorFunction):
    @staticmethod
    def forward(ctx: _EmbeddingContext, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.weight, ctx.padding = weight, padding
        return functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: _EmbeddingContext, *upstream: Tensor) -> tuple[None, None, None]:
        (ids,) = ctx.saved_tensors
        weight, ids, gradient = ctx.weight, ids.flatten(), upstream[0].reshape(ids.numel(), -1)
        if ctx.padding is not None:
            counted = ids != ctx.padding
            ids, gradient = ids[counted], gradient[counted]
        kept = _kept(weight)
        if weight.grad is None:
            weight.grad = kept.zeros()
        weight.grad.index_add_(0, ids, gradient.to(weight.dtype))
        kept.touched.append(ids)
        return None, None, None


class _Kept:
    """The memory of a weight's gradient, kept between steps: allocating new memory costs more than filling it."""

    def __init__(self, shape: Sequence[int]) -> None:
        self._numbers = np.zeros(shape, np.float32)  # pages without writes take no memory
        self.touched: list[Tensor] = []
        """Rows that may be non-zero since the last call of :meth:`zeros`."""

    def tensor(self) -> Tensor:
        """The memory with its current content."""
        return torch.from_numpy(self._numbers)

    def zeros(self) -> Tensor:
        """The memory, reset to zeros."""
        found = self.tensor()
        for rows in self.touched:
            found[rows] = 0
        self.touched = []
        return found


def _kept(weight: Tensor) -> _Kept:
    """The kept memory of an fp32 weight on a CPU."""
    found: _Kept | None = getattr(weight, "kept_gradient", None)
    if found is None:
        found = _Kept(weight.shape)
        setattr(weight, "kept_gradient", found)  # noqa: B010 - a tensor declares no such attribute
    return found


def gradient_memory(weight: Tensor) -> Tensor:
    """Uninitialized memory for the gradient of ``weight``; within :func:`direct_gradients`, the kept memory."""
    free = weight.is_leaf and weight.grad is None and _direct.get()
    if free and weight.dtype == torch.float32 and weight.device.type == "cpu":
        return _kept(weight).tensor()
    return torch.empty_like(weight)


def release(parameters: Iterable[Tensor]) -> None:
    """Release the kept memory of ``parameters``."""
    for parameter in parameters:
        vars(parameter).pop("kept_gradient", None)


def clip_norm(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """Equivalent to ``torch.nn.utils.clip_grad_norm_``, but skips rows that are zero."""
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in trained if parameter.grad is not None])
    factor = (limit / (norm + 1e-6)).clamp(max=1.0)
    for parameter in trained:
        gradient, kept = parameter.grad, getattr(parameter, "kept_gradient", None)
        assert gradient is not None
        if kept is not None and kept.touched:
            rows = torch.cat(kept.touched).unique()
            gradient.index_copy_(0, rows, gradient[rows] * factor)
        else:
            gradient.mul_(factor)
    return norm
