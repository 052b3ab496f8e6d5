"""Gradients of large tables of embeddings, added where they belong instead of made whole for each use.

PyTorch makes a gradient as large as the table at every use of it, nearly all of it zeros, and adds them up: with mT5's
250,112 pieces this costs more time and memory than a small model's layers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_direct: ContextVar[bool] = ContextVar("direct", default=False)


@contextmanager
def direct_gradients(wanted: bool = True) -> Iterator[None]:
    """Whatever is computed within the context may add to ``grad`` of embeddings on the way back, past autograd.

    For a training loop that reads ``grad`` only and clips by :func:`clip_norm`, where nothing else adds to these
    gradients; and not for processes that exchange gradients as autograd finds them.
    """
    token = _direct.set(wanted)
    try:
        yield
    finally:
        _direct.reset(token)


def embedding(ids: Tensor, module: Any) -> Tensor:
    """What ``torch.nn.Embedding`` gives."""
    weight: Tensor = module.weight
    plain = weight.is_leaf and weight.requires_grad and weight.device.type == "cpu" and weight.dtype == torch.float32
    if not (_direct.get() and plain and torch.is_grad_enabled()):
        return functional.embedding(ids, weight, module.padding_idx)
    return _Embedding.apply(ids, weight, module.padding_idx)


class _Embedding(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, ids: Tensor, weight: Tensor, padding: int | None) -> Tensor:
        ctx.save_for_backward(ids)
        ctx.weight, ctx.padding = weight, padding
        return functional.embedding(ids, weight)

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
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
    """The memory of a weight's gradient, kept from step to step: new memory costs the system more than to fill it."""

    def __init__(self, shape: Sequence[int]) -> None:
        self._numbers = np.zeros(shape, np.float32)  # what nobody writes to takes no memory
        self.touched: list[Tensor] = []
        """Rows that may hold something else than zeros, where :meth:`zeros` was asked for."""

    def tensor(self) -> Tensor:
        """The memory as it is."""
        return torch.from_numpy(self._numbers)

    def zeros(self) -> Tensor:
        """The memory, set to zeros again."""
        found = self.tensor()
        for rows in self.touched:
            found[rows] = 0
        self.touched = []
        return found


def _kept(weight: Any) -> _Kept:
    """What is kept for a weight of fp32 on a CPU."""
    if not hasattr(weight, "kept_gradient"):
        weight.kept_gradient = _Kept(weight.shape)
    found: _Kept = weight.kept_gradient
    return found


def gradient_memory(weight: Tensor) -> Tensor:
    """Room for the gradient of ``weight``, of any content; memory that is kept, within :func:`direct_gradients`."""
    free = weight.is_leaf and weight.grad is None and _direct.get()
    if free and weight.dtype == torch.float32 and weight.device.type == "cpu":
        return _kept(weight).tensor()
    return torch.empty_like(weight)


def release(parameters: Iterable[Any]) -> None:
    """Let go of what is kept."""
    for parameter in parameters:
        vars(parameter).pop("kept_gradient", None)


def clip_norm(parameters: Iterable[Tensor], limit: float) -> Tensor:
    """``torch.nn.utils.clip_grad_norm_``, which leaves rows alone that hold zeros only."""
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
