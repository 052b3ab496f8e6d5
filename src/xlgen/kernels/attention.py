"""Attention on a CPU: ``softmax(q k^T * scale + bias) v`` with its gradients written out, for training, and for the
encoder while decoding.

The library's eager attention makes a new tensor of all scores for each of scale, bias, mask, softmax and cast, and its
fused one has no gradient for T5's position bias. Here compiled code never has all scores (``xlgen.kernels.flash``).
The eager attention is what the tests hold it against.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import bidirectional_mask_function, eager_mask

from xlgen.kernels.decoder_steps import COMPILED_FOR, kernels_for

NAME = "xlgen"
"""What ``set_attn_implementation`` is told."""


class _Attention(torch.autograd.Function):
    """See :func:`attention`."""

    @staticmethod
    def forward(
        ctx: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        dropout: float,
    ) -> Tensor:
        from xlgen.kernels import flash  # Numba is loaded where it is used

        nothing = torch.zeros((1, 1, 1, key.shape[2]))
        # One behind another, as compiled code is made for one layout at a time.
        near, shown = (nothing if part is None else part.float().contiguous() for part in (bias, mask))
        given = (query, key, value, near, shown)
        ctx.settings = flash.FlashSettings(scale, dropout, new_seed() if dropout else 0)
        out, reduced = flash.forward(*given, ctx.settings)
        ctx.save_for_backward(*given, out, reduced)
        ctx.bias_dtype = None if bias is None else bias.dtype
        return out

    @staticmethod
    def backward(ctx: Any, *upstream: Any) -> Any:
        from xlgen.kernels import flash

        *given, out, reduced = ctx.saved_tensors
        needs_bias = ctx.needs_input_grad[3]
        gradient = upstream[0].to(out.dtype).contiguous()
        *found, of_bias = flash.backward(given, ctx.settings, out, reduced, gradient, needs_bias)
        return *found, of_bias.to(ctx.bias_dtype) if of_bias is not None else None, None, None, None


def new_seed() -> int:
    """32 bits with a sign, drawn by PyTorch's generator."""
    return int(torch.randint(-(2**31), 2**31, ()))


def attention(
    module: torch.nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    position_bias: Tensor | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """The interface that transformers asks for.

    Args:
        module: The attention block.
        query: (batch, heads, target, dim).
        key: (batch, heads, source, dim).
        value: Of the same shape.
        attention_mask: What is added to the scores, of a shape that broadcasts to (batch, heads, target, source).
        scaling: What the scores are multiplied by; None is one over the root of ``dim``.
        dropout: Of the probabilities, where the module trains.
        position_bias: What is added too; it has a gradient.

    Returns the output, (batch, target, heads, dim), and no weights. Raises ValueError for a bias with a gradient that
    is not one for the whole batch.
    """
    if position_bias is not None and not position_bias.requires_grad and not position_bias.any():
        position_bias = None  # T5's cross-attention, whose bias is nothing
    if position_bias is not None and position_bias.requires_grad:
        whole = (1, query.shape[1], query.shape[2], key.shape[2])
        if position_bias.shape != whole:
            raise ValueError(f"a bias with a gradient is {whole}, not {tuple(position_bias.shape)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    states = [each if each.dtype in COMPILED_FOR else each.float() for each in (query, key, value)]
    with torch.autocast(query.device.type, enabled=False):
        found: Tensor = _Attention.apply(
            *states, position_bias, attention_mask, scale, dropout if module.training else 0.0
        )
    return found.to(query.dtype), None


def narrow_mask(*, mask_function: Any, attention_mask: Tensor | None = None, **rest: Any) -> Tensor | None:
    """What transformers' masks are made by: a row an input, (batch, 1, 1, source), where all its queries see alike."""
    if mask_function is not bidirectional_mask_function or (attention_mask is not None and attention_mask.dim() != 2):
        return eager_mask(mask_function=mask_function, attention_mask=attention_mask, **rest)
    if attention_mask is None:
        return None
    hidden = attention_mask[:, None, None] == 0
    return torch.zeros(hidden.shape, dtype=rest["dtype"], device=hidden.device).masked_fill_(
        hidden, torch.finfo(rest["dtype"]).min
    )


@contextmanager
def fast_encoder(model: Any) -> Iterator[None]:
    """Within the context the encoder attends by :func:`attention`, where that is compiled."""
    encoder = model.get_encoder()
    weight = next(encoder.parameters())
    if kernels_for(weight) is None:
        yield
        return
    before = encoder.config._attn_implementation
    encoder.config._attn_implementation = NAME
    try:
        yield
    finally:
        encoder.config._attn_implementation = before


AttentionInterface.register(NAME, attention)
AttentionMaskInterface.register(NAME, narrow_mask)
