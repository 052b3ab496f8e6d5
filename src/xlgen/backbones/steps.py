"""One step of a decoder, written for decoding: a token in, logits out, with keys and values kept in flat buffers.

A backbone's own modules do the arithmetic, hooks included, so that a step is right for every adaptation method; linear
maps that nobody has wrapped or hooked are multiplied together.

Shapes: ``rows`` hypotheses (``inputs * beams``), ``time`` columns of the self-attention cache, ``source`` tokens,
``heads``, ``dim`` of a head, ``width`` of the model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass
class Memory:
    """What the steps before have left."""

    past: Tensor
    """Keys and values of self-attention: (rows, time, layers, 2, heads, dim)."""
    source: Tensor
    """Keys and values of cross-attention, once an input and not a beam: (inputs, source, layers, 2, heads, dim)."""
    source_mask: Tensor
    """0 where there is a token, else minus infinity: (inputs, 1, 1, source)."""
    first: Tensor
    """The column where each row begins: (rows,)."""
    begin: int = 0
    """The first column that belongs to any row."""
    even: bool = True
    """Whether all rows begin there."""


class DecoderStep(ABC):
    """A decoder of one family."""

    layers: int
    heads: int
    dim: int

    @abstractmethod
    def source(self, states: Tensor) -> Tensor:
        """Keys and values of cross-attention of encoder states (inputs, source, width); see :class:`Memory`."""

    @abstractmethod
    def __call__(self, tokens: Tensor, memory: Memory, column: int) -> Tensor:
        """Logits after ``tokens`` (rows,), which stand at ``column``: (rows, vocabulary).

        Writes their keys and values into ``memory.past``.
        """

    def new_past(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """An empty cache."""
        return like.new_zeros((rows, columns, self.layers, 2, self.heads, self.dim))


def hidden_columns(memory: Memory, column: int, dtype: torch.dtype) -> Tensor | None:
    """Minus infinity where a column is before a row's first: (rows, 1, 1, columns); None where nothing is hidden."""
    if memory.even:
        return None
    columns = torch.arange(memory.begin, column + 1, device=memory.first.device)
    hidden = columns[None] < memory.first[:, None]  # (rows, columns)
    return torch.zeros(hidden.shape, dtype=dtype, device=hidden.device).masked_fill_(hidden, -torch.inf)[:, None, None]


def self_attention(
    query: Tensor, key: Tensor, value: Tensor, past: Tensor, begin: int, column: int, mask: Tensor | None, scale: float
) -> Tensor:
    """Attention of one token to itself and what was before it. ``query key value``: (rows, 1, heads * dim).

    ``past`` is one layer's share of the cache, (rows, time, 2, heads, dim). Returns (rows, 1, heads * dim).
    """
    rows, _, _, heads, dim = past.shape
    past[:, column, 0] = key.view(rows, heads, dim)
    past[:, column, 1] = value.view(rows, heads, dim)
    seen = past[:, begin : column + 1]
    keys, values = seen[:, :, 0].transpose(1, 2), seen[:, :, 1].transpose(1, 2)  # (rows, heads, columns, dim)
    return _attend(query.view(rows, heads, 1, dim), keys, values, mask, scale).reshape(rows, 1, heads * dim)


def cross_attention(query: Tensor, source: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention of each beam's token to its input. ``query``: (rows, 1, heads * dim); returns the same.

    ``source`` is one layer's share, (inputs, source, 2, heads, dim); the beams of an input read it together.
    """
    inputs, _, _, heads, dim = source.shape
    keys, values = source[:, :, 0].transpose(1, 2), source[:, :, 1].transpose(1, 2)  # (inputs, heads, source, dim)
    queries = query.view(inputs, -1, heads, dim).transpose(1, 2)  # (inputs, heads, beams, dim)
    return _attend(queries, keys, values, mask, scale).transpose(1, 2).reshape(query.shape)


def _attend(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    return functional.scaled_dot_product_attention(query, keys, values, attn_mask=mask, scale=scale)


def is_plain(module: nn.Module) -> bool:
    """Whether a linear map is nothing but that: no wrapper of a method's, no hook."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return type(module) is nn.Linear and not any(hooks)


def together(modules: Sequence[nn.Module]) -> Callable[[Tensor], Sequence[Tensor]]:
    """The outputs of several linear maps of one input: in one product where all are plain."""
    if not all(map(is_plain, modules)):
        return lambda hidden: [module(hidden) for module in modules]
    linear: Any = modules
    weight = torch.cat([each.weight for each in linear])
    bias = torch.cat([each.bias for each in linear]) if linear[0].bias is not None else None
    sizes = [each.out_features for each in linear]
    return lambda hidden: functional.linear(hidden, weight, bias).split(sizes, dim=-1)


def through_hooks(module: nn.Module, inputs: Tensor, output: Tensor) -> Tensor:
    """What a module's forward hooks make of its output: methods put their own modules behind blocks in this way."""
    for key, hook in module._forward_hooks.items():
        with_kwargs = key in module._forward_hooks_with_kwargs
        changed = hook(module, (inputs,), {}, output) if with_kwargs else hook(module, (inputs,), output)
        output = output if changed is None else changed
    return output


def enter(module: nn.Module, inputs: Tensor) -> Tensor:
    """What a module's forward pre-hooks make of its input, and whatever else they do with it."""
    for key, hook in module._forward_pre_hooks.items():
        if key in module._forward_pre_hooks_with_kwargs:
            changed: Any = hook(module, (inputs,), {})
            inputs = inputs if changed is None else changed[0][0]
        else:
            changed = hook(module, (inputs,))
            inputs = inputs if changed is None else changed[0] if isinstance(changed, tuple) else changed
    return inputs
