"""The operations of a decoder's step, on PyTorch's tensors (here) or on NumPy's arrays (``compiled_arithmetic``).

A family describes its step once, in these operations. On a CPU, calling an operator of PyTorch takes as long as the
arithmetic of a few rows, and arrays are called in a tenth of that time; on a GPU, and without Numba, the values are
tensors. Modules with hooks or wrappers are called with tensors in either case.

Values are ``rows`` hypotheses of one token each: (rows, width). The shapes of caches are in
:mod:`xlgen.kernels.decoder_steps`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar, Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from xlgen.kernels.decoder_steps import SOURCE, AttentionMask, KVCache, Layout, Pair, is_plain, kernels_for
from xlgen.kernels.model_types import ModelPart

if TYPE_CHECKING:
    from xlgen.kernels.compiled_arithmetic import OnArrays

V = TypeVar("V")


class Norm(Protocol[V]):
    """A norm of hidden states."""

    def __call__(self, hidden: V, update: V | None = None) -> V:
        """The norm of ``hidden``, to which ``update`` is added in place before."""


class AttentionModules(NamedTuple):
    """The modules of an attention block."""

    norm: ModelPart
    """The norm before it."""
    block: ModelPart
    """The module on which methods put hooks."""
    maps: tuple[nn.Module, ...]
    """Queries, keys and values in self-attention; queries in cross-attention."""
    output: nn.Module
    scale: float


class FeedForwardModules(NamedTuple):
    """The modules of a feed-forward block."""

    norm: ModelPart
    block: ModelPart | None
    """The module on which methods put hooks, if any."""
    maps: tuple[nn.Module, ...]
    """One, or two if the activation of the first is multiplied by the second."""
    activation: nn.Module
    output: nn.Module


class Arithmetic(ABC, Generic[V]):
    """Operations on values of one type."""

    source_layout: ClassVar[Layout]
    """The layout of the keys and values of sources."""

    @abstractmethod
    def value(self, tensor: Tensor) -> V:
        """A tensor as a value, without a copy."""

    @abstractmethod
    def tensor(self, value: V) -> Tensor:
        """A value as a tensor, without a copy."""

    @abstractmethod
    def embedding(self, module: nn.Module) -> Callable[[Tensor], V]:
        """A function from the ids of tokens, (rows,), to new values."""

    @abstractmethod
    def linear(self, *modules: nn.Module) -> Callable[[V], V]:
        """A function for the joined outputs of linear maps of one input, in one product if all are plain."""

    @abstractmethod
    def source(self, key: nn.Module, value: nn.Module, heads: int) -> Callable[[Tensor], Pair]:
        """A function from encoder states, (inputs, source, width), to keys and values in ``source_layout``."""

    @abstractmethod
    def activation(self, module: nn.Module) -> Callable[[V], V]:
        """A function that applies an activation."""

    @abstractmethod
    def gate(self, module: nn.Module) -> Callable[[V], V]:
        """A function that applies an activation to the first half and multiplies it by the second."""

    @abstractmethod
    def norm(self, module: ModelPart) -> Norm[V]:
        """A function for T5's layer norm, without mean and bias, or for the usual one."""

    @abstractmethod
    def attend_past(self, joined: V, memory: KVCache, layer: int, visible: AttentionMask, scale: float) -> V:
        """Write one column of keys and values, and attend to it and the previous ones.

        ``joined`` is (rows, 3 * heads * dim): queries, keys and values. Returns (rows, heads * dim).
        """

    @abstractmethod
    def attend_source(self, query: V, memory: KVCache, layer: int, scale: float) -> V:
        """Attend to each beam's source: (rows, heads * dim) to the same. The beams of an input share its keys."""

    def self_attention(self, parts: AttentionModules) -> Callable[[V, V | None, KVCache, int, AttentionMask], V]:
        """A function for a block of self-attention, from hidden states, an update to add to them in place, the cache,
        the number of the layer and the mask to another update."""
        norm, maps, output = self.norm(parts.norm), self.linear(*parts.maps), self.linear(parts.output)

        def of(hidden: V, update: V | None, memory: KVCache, layer: int, visible: AttentionMask) -> V:
            normed = self.enter(parts.block, norm(hidden, update))
            found = self.attend_past(maps(normed), memory, layer, visible, parts.scale)
            return self.leave(parts.block, normed, output(found))

        return of

    def cross_attention(self, parts: AttentionModules) -> Callable[[V, V | None, KVCache, int], V]:
        """The same for attention to the source."""
        norm, maps, output = self.norm(parts.norm), self.linear(*parts.maps), self.linear(parts.output)

        def of(hidden: V, update: V | None, memory: KVCache, layer: int) -> V:
            normed = self.enter(parts.block, norm(hidden, update))
            found = self.attend_source(maps(normed), memory, layer, parts.scale)
            return self.leave(parts.block, normed, output(found))

        return of

    def feed_forward(self, parts: FeedForwardModules) -> Callable[[V, V | None], V]:
        """The same for a feed-forward block."""
        norm, maps, output = self.norm(parts.norm), self.linear(*parts.maps), self.linear(parts.output)
        activation = (self.gate if len(parts.maps) > 1 else self.activation)(parts.activation)

        def of(hidden: V, update: V | None) -> V:
            normed = norm(hidden, update)
            if parts.block is None:
                return output(activation(maps(normed)))
            normed = self.enter(parts.block, normed)
            return self.leave(parts.block, normed, output(activation(maps(normed))))

        return of

    def enter(self, module: nn.Module, value: V) -> V:
        """Apply a module's forward pre-hooks to its input, with their side effects."""
        if not module._forward_pre_hooks:
            return value
        inputs = self.tensor(value)[:, None]  # hooks expect sequences, here of one token
        for key, hook in module._forward_pre_hooks.items():
            if key in module._forward_pre_hooks_with_kwargs:
                changed = hook(module, (inputs,), {})
                inputs = inputs if changed is None else changed[0][0]
            else:
                changed = hook(module, (inputs,))
                inputs = inputs if changed is None else changed[0] if isinstance(changed, tuple) else changed
        return self.value(inputs[:, 0].contiguous())

    def leave(self, module: nn.Module, value: V, result: V) -> V:
        """Apply a module's forward hooks to its result. Methods insert modules after blocks in this way."""
        if not module._forward_hooks:
            return result
        inputs, output = self.tensor(value)[:, None], self.tensor(result)[:, None]
        for key, hook in module._forward_hooks.items():
            with_kwargs = key in module._forward_hooks_with_kwargs
            changed = hook(module, (inputs,), {}, output) if with_kwargs else hook(module, (inputs,), output)
            output = output if changed is None else changed
        return self.value(output[:, 0].contiguous())


class OnTensors(Arithmetic[Tensor]):
    """PyTorch's operations."""

    source_layout = SOURCE

    def value(self, tensor: Tensor) -> Tensor:
        """See :class:`Arithmetic`."""
        return tensor

    def tensor(self, value: Tensor) -> Tensor:
        """See :class:`Arithmetic`."""
        return value

    def embedding(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """See :class:`Arithmetic`."""
        return lambda tokens: as_module(module, tokens)

    def linear(self, *modules: nn.Module) -> Callable[[Tensor], Tensor]:
        """See :class:`Arithmetic`."""
        if not all(map(is_plain, modules)):
            return lambda hidden: together([as_module(each, hidden) for each in modules])
        weight, bias = joined_weights(modules)
        return lambda hidden: functional.linear(hidden, weight, bias)

    def source(self, key: nn.Module, value: nn.Module, heads: int) -> Callable[[Tensor], Pair]:
        """See :class:`Arithmetic`."""

        def of(states: Tensor) -> Pair:
            keys, values = (each(states).unflatten(-1, (heads, -1)) for each in (key, value))
            return keys.permute(0, 2, 3, 1).contiguous(), values.transpose(1, 2).contiguous()

        return of

    def activation(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """See :class:`Arithmetic`."""
        return module

    def gate(self, module: nn.Module) -> Callable[[Tensor], Tensor]:
        """See :class:`Arithmetic`."""

        def of(inner: Tensor) -> Tensor:
            gate, linear = inner.chunk(2, dim=-1)
            activated: Tensor = module(gate)
            return activated * linear

        return of

    def norm(self, module: ModelPart) -> Norm[Tensor]:
        """See :class:`Arithmetic`."""

        def of(hidden: Tensor, update: Tensor | None = None) -> Tensor:
            hidden = hidden if update is None else hidden.add_(update)
            if hasattr(module, "variance_epsilon"):
                return functional.rms_norm(hidden, (hidden.shape[-1],), module.weight, module.variance_epsilon)
            normed: Tensor = module(hidden)
            return normed

        return of

    def attend_past(self, joined: Tensor, memory: KVCache, layer: int, visible: AttentionMask, scale: float) -> Tensor:
        """See :class:`Arithmetic`."""
        keys, values = memory.past[layer]
        inputs, heads, dim, _, beams = keys.shape
        query, key, value = joined.view(inputs, beams, 3, heads, dim).unbind(2)
        keys[:, :, :, visible.column] = key.permute(0, 2, 3, 1)
        values[:, visible.column] = value.flatten(2)
        seen = values.view(inputs, -1, heads, dim).transpose(1, 2)  # (inputs, heads, columns * beams, dim)
        found = _attend(query.transpose(1, 2), keys.flatten(3), seen, visible.mask, scale)
        return found.transpose(1, 2).reshape(inputs * beams, heads * dim)

    def attend_source(self, query: Tensor, memory: KVCache, layer: int, scale: float) -> Tensor:
        """See :class:`Arithmetic`."""
        keys, values = memory.source[layer]
        inputs, heads, dim, _ = keys.shape
        queries = query.view(inputs, -1, heads, dim).transpose(1, 2)  # (inputs, heads, beams, dim)
        found = _attend(queries, keys, values, memory.source_mask[:, None, None], scale)
        return found.transpose(1, 2).reshape(query.shape)


def compiled_arithmetic(like: Tensor) -> OnArrays | None:
    """The compiled operations for values as ``like``; None on a GPU, for other dtypes, and without Numba."""
    if kernels_for(like) is None:
        return None
    from xlgen.kernels.compiled_arithmetic import OnArrays

    return OnArrays(like.dtype)


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor, scale: float) -> Tensor:
    """Attention by plain products. For few queries, these are as fast as the fused kernel in fp32, twice as in bf16.

    ``queries`` is (inputs, heads, beams, dim), ``keys`` (inputs, heads, dim, keys), ``values`` (inputs, heads, keys,
    dim).
    """
    queries = queries if scale == 1 else queries * scale
    scores = torch.matmul(queries, keys) + mask  # (inputs, heads, beams, keys)
    return torch.matmul(scores.softmax(-1, dtype=torch.float32).to(values.dtype), values)


def joined_weights(modules: Sequence[ModelPart]) -> tuple[Tensor, Tensor | None]:
    """The weights of plain linear maps of one input as those of one map."""
    if len(modules) == 1:
        return modules[0].weight, modules[0].bias
    bias = torch.cat([each.bias for each in modules]) if modules[0].bias is not None else None
    return torch.cat([each.weight for each in modules]), bias


def together(parts: list[Tensor]) -> Tensor:
    """Values of several maps as one, (rows, sizes)."""
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)


def as_module(module: ModelPart, rows: Tensor) -> Tensor:
    """Call a module, which may be a wrapper or have hooks, with rows as sequences of one token."""
    found: Tensor = module(rows[:, None])
    return found[:, 0]
