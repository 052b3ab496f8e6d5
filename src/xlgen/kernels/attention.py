"""Attention on a CPU: ``softmax(q k^T * scale + bias) v`` with explicit gradients, for training, and for the encoder
during decoding.

The eager attention of ``transformers`` creates a new tensor of all scores for each of scale, bias, mask, softmax and
cast, and the fused attention has no gradient for T5's position bias. The compiled code here never materializes all
scores (``xlgen.kernels.flash``). The tests compare it with the eager attention.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import bidirectional_mask_function, eager_mask

from xlgen.kernels.autograd_types import AutogradContext, TensorFunction
from xlgen.kernels.decoder_steps import COMPILED_FOR, kernels_for

if TYPE_CHECKING:
    from xlgen.kernels.flash import FlashSettings

NAME = "xlgen"
"""The name for ``set_attn_implementation``."""


class _AttentionContext(AutogradContext):
    settings: FlashSettings
    bias_dtype: torch.dtype | None


class _Attention(TensorFunction):
    """See :func:`attention`."""

    @staticmethod
    def forward(
        ctx: _AttentionContext,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        bias: Tensor | None,
        mask: Tensor | None,
        scale: float,
        dropout: float,
    ) -> Tensor:
        from xlgen.kernels import flash  # imported late, because it loads Numba

        nothing = torch.zeros((1, 1, 1, key.shape[2]))
        # Contiguous, because Numba compiles a version for each layout.
        near, shown = (nothing if part is None else part.float().contiguous() for part in (bias, mask))
        given = (query, key, value, near, shown)
        ctx.settings = flash.FlashSettings(scale, dropout, new_seed() if dropout else 0)
        out, reduced = flash.forward(*given, ctx.settings)
        ctx.save_for_backward(*given, out, reduced)
        ctx.bias_dtype = None if bias is None else bias.dtype
        return out

    @staticmethod
    def backward(ctx: _AttentionContext, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        from xlgen.kernels import flash

        *given, out, reduced = ctx.saved_tensors
        needs_bias = ctx.needs_input_grad[3]
        gradient = upstream[0].to(out.dtype).contiguous()
        *found, of_bias = flash.backward(given, ctx.settings, out, reduced, gradient, needs_bias)
        return *found, of_bias.to(ctx.bias_dtype) if of_bias is not None else None, None, None, None


def new_seed() -> int:
    """A signed 32-bit seed, drawn from PyTorch's generator."""
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
    **_: object,
) -> tuple[Tensor, None]:
    """Compute attention with the interface that ``transformers`` requires.

    Args:
        module: The attention block.
        query: (batch, heads, target, dim).
        key: (batch, heads, source, dim).
        value: The same shape as ``key``.
        attention_mask: Added to the scores; broadcasts to (batch, heads, target, source).
        scaling: Factor of the scores. If None, ``dim ** -0.5``.
        dropout: Dropout probability of the attention weights, if the module is in training mode.
        position_bias: Also added to the scores; may have a gradient.

    Returns the output, (batch, target, heads, dim), and None instead of attention weights. Raises ValueError if a bias
    with a gradient is not shared by the whole batch.
    """
    if position_bias is not None and not position_bias.requires_grad and not position_bias.any():
        position_bias = None  # T5's cross-attention has a bias of zeros
    if position_bias is not None and position_bias.requires_grad:
        whole = (1, query.shape[1], query.shape[2], key.shape[2])
        if position_bias.shape != whole:
            raise ValueError(f"a bias with a gradient must have the shape {whole}, not {tuple(position_bias.shape)}")
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    states = [each if each.dtype in COMPILED_FOR else each.float() for each in (query, key, value)]
    with torch.autocast(query.device.type, enabled=False):
        found: Tensor = _Attention.apply(
            *states, position_bias, attention_mask, scale, dropout if module.training else 0.0
        )
    return found.to(query.dtype), None


def narrow_mask(
    *, mask_function: Callable[..., bool], attention_mask: Tensor | None = None, **rest: Any
) -> Tensor | None:
    """Create masks for ``transformers``: only (batch, 1, 1, source) if all queries of an input see the same keys."""
    if mask_function is not bidirectional_mask_function or (attention_mask is not None and attention_mask.dim() != 2):
        return eager_mask(mask_function=mask_function, attention_mask=attention_mask, **rest)
    if attention_mask is None:
        return None
    hidden = attention_mask[:, None, None] == 0
    return torch.zeros(hidden.shape, dtype=rest["dtype"], device=hidden.device).masked_fill_(
        hidden, torch.finfo(rest["dtype"]).min
    )


@contextmanager
def fast_encoder(model: PreTrainedModel) -> Iterator[None]:
    """Within the context, the encoder uses :func:`attention` if it can be compiled."""
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
