"""One decoder step optimized for decoding: a token in, logits out, with keys and values in flat buffers.

The backbone's own modules do the arithmetic, including hooks, so a step is correct for every adaptation method. Linear
maps without wrappers or hooks are joined into one product.

A beam that continues from another one does not copy its keys and values: these stay in their slot, and each beam
records the slot of its token in each column. All beams of an input attend to all of its slots together, which costs
some extra products but no copies.

Shapes: ``rows`` hypotheses (``inputs * beams``), ``columns`` of the self-attention cache in each of ``beams`` slots,
``source`` tokens, ``heads``, ``dim`` of a head, ``width`` of the model.
"""

from __future__ import annotations

import importlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.kernels.model_types import ModelPart
from xlgen.kernels.onednn_linear import product

CHUNK = 16
"""Number of columns by which the self-attention cache grows."""

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer."""

COMPILED_FOR = (torch.float32, torch.bfloat16)
"""Dtypes that compiled code supports."""


@dataclass
class KVCache:
    """Keys and values of the previous steps. Every tensor is contiguous, because attention is bound by memory."""

    past: list[Pair]
    """Self-attention, one pair per layer: (inputs, columns, beams, heads, dim). The last columns may still be empty."""
    source: list[Pair]
    """Cross-attention, one pair per layer, shared by an input's beams: (inputs, heads, source, dim)."""
    source_mask: Tensor
    """0 for tokens, minus infinity for padding: (inputs, 1, 1, source)."""
    first: Tensor
    """The column at which each input begins: (inputs,)."""
    slots: Tensor
    """The slot of each beam's token in each column, -1 if there is none: (inputs, beams, columns)."""
    even: bool = True
    """Whether all inputs begin at column 0."""

    @property
    def columns(self) -> int:
        """The number of columns, including empty ones."""
        return self.past[0][0].shape[1]

    def single(self) -> KVCache:
        """Only the first slot, in the same storage, because all beams begin with the same tokens."""
        past = [(keys[:, :, :1], values[:, :, :1]) for keys, values in self.past]
        return KVCache(past, self.source, self.source_mask, self.first, self.slots[:, :1], self.even)


class DecoderStep(ABC):
    """A decoder of one family."""

    layers: int
    heads: int
    dim: int

    @abstractmethod
    def source(self, states: Tensor) -> list[Pair]:
        """Keys and values of cross-attention for encoder states (inputs, source, width); see :class:`KVCache`."""

    @abstractmethod
    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """The input of the head after ``tokens`` (rows,) at ``column``: (rows, width).

        Writes the tokens' keys and values into ``memory.past``.
        """

    @abstractmethod
    def norm(self, hidden: Tensor) -> Tensor:
        """The decoder's final norm after the last layer: (..., width) to the same shape."""

    @abstractmethod
    def logits(self, hidden: Tensor) -> Tensor:
        """The logits for the result of :meth:`hidden`: (rows, vocabulary)."""

    plain_head: tuple[Tensor, Tensor | None] | None
    """The matrix (vocabulary, width) and the bias (vocabulary,) of a plain linear head; None for any other head."""

    def new_past(self, inputs: int, beams: int, columns: int, like: Tensor) -> list[Pair]:
        """An empty cache."""
        shape = (inputs, columns, beams, self.heads, self.dim)
        return [(like.new_zeros(shape), like.new_zeros(shape)) for _ in range(self.layers)]


def by_distance(values: Tensor) -> Tensor:
    """Pad ``values`` of the last column for each column, (..., columns), with empty columns of minus infinity."""
    return functional.pad(values, (0, CHUNK), value=-torch.inf)


class AttentionMask:
    """The previous columns that the tokens of one column attend to, and the bias of their scores."""

    def __init__(self, values: Tensor, memory: KVCache, column: int, longest: int) -> None:
        """``values`` come from :func:`by_distance` for ``longest`` + 1 columns; ``column`` is at most ``longest``."""
        if column > longest:
            raise ValueError(f"column {column} exceeds the maximum of the cache, {longest}")
        self.memory, self.column = memory, column
        # (1, heads or 1, 1, columns)
        self.bias = values[..., longest - column : longest - column + memory.columns]

    @cached_property
    def mask(self) -> Tensor:
        """The values to add to scores: (inputs or 1, heads or 1, beams or 1, columns * beams).

        Columns before an input's first column are hidden, and in each column a beam sees only its own ancestor's slot.
        """
        memory = self.memory
        beams = memory.slots.shape[1]
        if beams > 1:
            slots = torch.arange(beams, device=self.bias.device)
            seen = memory.slots[..., None] == slots  # (inputs, beams, columns, slots)
            return torch.where(seen[:, None], self.bias[..., None], -torch.inf).flatten(3)
        if memory.even:
            return self.bias
        columns = torch.arange(memory.columns, device=self.bias.device)
        hidden = columns[None] < memory.first[:, None]  # (inputs, columns)
        return self.bias.masked_fill(hidden[:, None, None], -torch.inf)


def self_attention(query: Tensor, key: Tensor, value: Tensor, past: Pair, visible: AttentionMask) -> Tensor:
    """Unscaled attention of one token to itself and the previous ones.

    ``query``, ``key`` and ``value`` are (rows, 1, heads * dim); ``past`` is one layer of the cache. Returns (rows, 1,
    heads * dim).
    """
    keys, values = past
    memory, column = visible.memory, visible.column
    if kernels := kernels_for(query):
        bias = visible.bias[0, :, 0]
        attended: Tensor = kernels.attend_past(query, key, value, past, memory.slots, memory.first, bias, column)
        return attended
    inputs, _, beams, heads, dim = keys.shape
    query, key, value = (t.view(inputs, beams, heads, dim) for t in (query, key, value))
    keys[:, column] = key
    values[:, column] = value
    seen = (t.flatten(1, 2).transpose(1, 2) for t in (keys, values))  # (inputs, heads, columns * beams, dim)
    found = _attend(query.transpose(1, 2), next(seen), next(seen), visible.mask)  # (inputs, heads, beams, dim)
    return found.transpose(1, 2).reshape(inputs * beams, 1, heads * dim)


def cross_attention(query: Tensor, source: Pair, mask: Tensor, scale: float) -> Tensor:
    """Attention of each beam's token to its input. ``query`` is (rows, 1, heads * dim), and so is the result.

    The beams of an input share its keys and values.
    """
    keys, values = source
    if kernels := kernels_for(query):
        attended: Tensor = kernels.attend_source(query, source, mask[:, 0, 0], scale)
        return attended
    inputs, heads, _, dim = keys.shape
    queries = query.view(inputs, -1, heads, dim).transpose(1, 2)  # (inputs, heads, beams, dim)
    found = _attend(queries if scale == 1 else queries * scale, keys, values, mask)
    return found.transpose(1, 2).reshape(query.shape)


def kernels_for(tensor: Tensor) -> ModuleType | None:
    """``xlgen.kernels.decoder_kernels`` if the tensor is on the CPU, its type is supported and Numba is installed."""
    return _kernels() if tensor.device.type == "cpu" and tensor.dtype in COMPILED_FOR else None


@cache
def _kernels() -> ModuleType | None:
    try:
        return importlib.import_module("xlgen.kernels.decoder_kernels")
    except (ImportError, RuntimeError):  # Numba raises RuntimeError if it finds no folder for its cache
        return None


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor) -> Tensor:
    """Attention by plain products. For few queries, these are as fast as the fused kernel in fp32, twice as in bf16."""
    scores = torch.matmul(queries, keys.transpose(2, 3)) + mask  # (inputs, heads, beams, keys)
    return torch.matmul(scores.softmax(-1, dtype=torch.float32).to(values.dtype), values)


def split_heads(states: Tensor, heads: int) -> Tensor:
    """(inputs, source, heads * dim) to (inputs, heads, source, dim)."""
    split: Tensor = states.unflatten(-1, (heads, -1))
    return split.transpose(1, 2).contiguous()


def is_plain(module: nn.Module) -> bool:
    """Whether a module is a plain linear map, without a method's wrapper and without hooks."""
    hooks = (module._forward_hooks, module._forward_pre_hooks)
    return type(module) is nn.Linear and not any(hooks)


def joined_linear(modules: Sequence[nn.Module]) -> Callable[[Tensor], Sequence[Tensor]]:
    """A function for the outputs of several linear maps of one input, in one product if all are plain."""
    if not all(map(is_plain, modules)):
        return lambda hidden: [module(hidden) for module in modules]
    maps: Sequence[ModelPart] = modules
    weight = torch.cat([each.weight for each in maps])
    bias = torch.cat([each.bias for each in maps]) if maps[0].bias is not None else None
    sizes = [each.out_features for each in maps]
    multiplied = product(weight, bias)
    return lambda hidden: multiplied(hidden).split(sizes, dim=-1)


def plain_head_of(module: ModelPart, bias: Tensor | None) -> tuple[Tensor, Tensor | None] | None:
    """See ``DecoderStep.plain_head``; ``bias`` is the model's own bias, in addition to the module's."""
    if not is_plain(module) or (bias is not None and module.bias is not None):
        return None
    return module.weight, module.bias if bias is None else bias.flatten()


def through_hooks(module: nn.Module, inputs: Tensor, output: Tensor) -> Tensor:
    """Apply a module's forward hooks to its output. Methods insert modules after blocks in this way."""
    for key, hook in module._forward_hooks.items():
        with_kwargs = key in module._forward_hooks_with_kwargs
        changed = hook(module, (inputs,), {}, output) if with_kwargs else hook(module, (inputs,), output)
        output = output if changed is None else changed
    return output


def enter(module: nn.Module, inputs: Tensor) -> Tensor:
    """Apply a module's forward pre-hooks to its input, with their side effects."""
    for key, hook in module._forward_pre_hooks.items():
        if key in module._forward_pre_hooks_with_kwargs:
            changed = hook(module, (inputs,), {})
            inputs = inputs if changed is None else changed[0][0]
        else:
            changed = hook(module, (inputs,))
            inputs = inputs if changed is None else changed[0] if isinstance(changed, tuple) else changed
    return inputs
