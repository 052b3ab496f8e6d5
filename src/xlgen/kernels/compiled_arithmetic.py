"""The operations of a decoder's step on NumPy's arrays, with Numba's compiled code: see :mod:`arithmetic`.

Arrays are in fp32, or in bf16 stored as 16-bit integers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.activations import GELUActivation, NewGELUActivation

from xlgen.kernels import decoder_blocks as blocks
from xlgen.kernels import decoder_kernels as kernels
from xlgen.kernels.arithmetic import (
    Arithmetic,
    AttentionModules,
    FeedForwardModules,
    Norm,
    OnTensors,
    as_module,
    joined_weights,
    together,
)
from xlgen.kernels.decoder_steps import CHUNK, SOURCE_IN_BLOCKS, AttentionMask, KVCache, Pair, has_hooks, is_plain
from xlgen.kernels.gated_gelu import gate
from xlgen.kernels.model_types import ModelPart
from xlgen.kernels.numba_parts import array
from xlgen.kernels.numba_types import Array
from xlgen.kernels.packed_product import bias_of, pack
from xlgen.kernels.products import PACKED_ELEMENTS, array_product


class OnArrays(Arithmetic[Array]):
    """Compiled operations for values of one dtype."""

    source_layout = SOURCE_IN_BLOCKS

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._stored = np.float32 if dtype == torch.float32 else np.uint16

    def value(self, tensor: Tensor) -> Array:
        """See :class:`Arithmetic`."""
        return array(tensor)

    def tensor(self, value: Array) -> Tensor:
        """See :class:`Arithmetic`."""
        found = torch.from_numpy(value)
        return found if self._dtype == torch.float32 else found.view(self._dtype)

    def embedding(self, module: nn.Module) -> Callable[[Tensor], Array]:
        """See :class:`Arithmetic`."""
        return lambda tokens: array(as_module(module, tokens))

    def linear(self, *modules: nn.Module) -> Callable[[Array], Array]:
        """See :class:`Arithmetic`."""
        if not all(map(is_plain, modules)):
            return lambda hidden: array(together([as_module(each, self.tensor(hidden)) for each in modules]))
        return array_product(*joined_weights(modules))

    def self_attention(
        self, parts: AttentionModules
    ) -> Callable[[Array, Array | None, KVCache, int, AttentionMask], Array]:
        """See :class:`Arithmetic`."""
        plain = cache(lambda: Arithmetic.self_attention(self, parts))  # packs the weights too, so only if needed
        packed = self._packed(parts)
        if packed is None:
            return plain()
        scale, nothing = np.float32(parts.scale), np.empty((0, len(parts.norm.weight)), np.float32)

        def of(hidden: Array, update: Array | None, memory: KVCache, layer: int, visible: AttentionMask) -> Array:
            if torch.get_num_threads() > 1:
                return plain()(hidden, update, memory, layer, visible)
            arrays = memory.arrays
            given = *arrays.past[layer], (arrays.heads, arrays.columns), arrays.slots, arrays.first
            added = nothing if update is None else update
            normed, out = blocks.self_block(hidden, added, *packed, *given, *visible.arrays, scale)
            return self.leave(parts.block, normed, out)

        return of

    def cross_attention(self, parts: AttentionModules) -> Callable[[Array, Array | None, KVCache, int], Array]:
        """See :class:`Arithmetic`."""
        plain = cache(lambda: Arithmetic.cross_attention(self, parts))  # packs the weights too, so only if needed
        packed = self._packed(parts)
        if packed is None:
            return plain()
        scale, nothing = np.float32(parts.scale), np.empty((0, len(parts.norm.weight)), np.float32)

        def of(hidden: Array, update: Array | None, memory: KVCache, layer: int) -> Array:
            if torch.get_num_threads() > 1:
                return plain()(hidden, update, memory, layer)
            arrays = memory.arrays
            given = *arrays.source[layer], arrays.heads, arrays.source_mask, scale
            normed, out = blocks.cross_block(hidden, nothing if update is None else update, *packed, *given)
            return self.leave(parts.block, normed, out)

        return of

    def feed_forward(self, parts: FeedForwardModules) -> Callable[[Array, Array | None], Array]:
        """See :class:`Arithmetic`."""
        plain = cache(lambda: Arithmetic.feed_forward(self, parts))  # packs the weights too, so only if needed
        packed, kind = self._packed(parts), _activation_of(parts)
        if packed is None or kind is None:
            return plain()
        nothing = np.empty((0, len(parts.norm.weight)), np.float32)

        def of(hidden: Array, update: Array | None) -> Array:
            if torch.get_num_threads() > 1:
                return plain()(hidden, update)
            normed, out = blocks.feed_block(hidden, nothing if update is None else update, *packed, kind)
            return out if parts.block is None else self.leave(parts.block, normed, out)

        return of

    def _packed(self, parts: AttentionModules | FeedForwardModules) -> tuple[Array | np.float32 | int, ...] | None:
        """The parameters of a block, if all of its modules are plain: of the norm, the maps and the output."""
        if parts.block is not None and parts.block._forward_pre_hooks:
            return None
        if self._dtype != torch.float32 or not all(map(is_plain, (*parts.maps, parts.output))):
            return None
        usual = type(parts.norm) is nn.LayerNorm
        if has_hooks(parts.norm) or not (usual or hasattr(parts.norm, "variance_epsilon")):
            return None
        pairs = joined_weights(parts.maps), joined_weights([parts.output])
        if any(weight.numel() > PACKED_ELEMENTS for weight, _ in pairs):
            return None
        maps, output = ((pack(weight), bias_of(bias)) for weight, bias in pairs)
        norm_bias = parts.norm.bias if usual else None
        epsilon = np.float32(parts.norm.eps if usual else parts.norm.variance_epsilon)
        return array(parts.norm.weight.detach()), bias_of(norm_bias), epsilon, len(pairs[0][0]), *maps, *output

    def source(self, key: nn.Module, value: nn.Module, heads: int) -> Callable[[Tensor], Pair]:
        """See :class:`Arithmetic`."""

        def of(states: Tensor) -> Pair:
            states = functional.pad(states, (0, 0, 0, -states.shape[1] % CHUNK))
            keys, values = (each(states).unflatten(-1, (heads, -1)) for each in (key, value))
            keys = keys.unflatten(1, (-1, CHUNK)).permute(0, 1, 3, 4, 2)
            return keys.contiguous(), values.transpose(1, 2).contiguous()

        return of

    def activation(self, module: nn.Module) -> Callable[[Array], Array]:
        """See :class:`Arithmetic`."""
        if is_plain(module, nn.ReLU) and self._dtype == torch.float32:
            return lambda inner: np.maximum(inner, 0, out=inner)
        if is_plain(module, GELUActivation) and module.act is functional.gelu:

            def of(inner: Array) -> Array:
                kernels.gelu(inner.reshape(-1))
                return inner

            return of
        return lambda inner: array(module(self.tensor(inner)))

    def gate(self, module: nn.Module) -> Callable[[Array], Array]:
        """See :class:`Arithmetic`."""
        if not is_plain(module, NewGELUActivation):
            plain = OnTensors().gate(module)
            return lambda inner: array(plain(self.tensor(inner)))

        def of(inner: Array) -> Array:
            rows, width = len(inner), inner.shape[1] // 2
            out = np.empty((rows, width), self._stored)
            gate(0, rows, width, inner.reshape(-1), out.reshape(-1))
            return out

        return of

    def norm(self, module: ModelPart) -> Norm[Array]:
        """See :class:`Arithmetic`."""
        usual = not hasattr(module, "variance_epsilon")
        if has_hooks(module) or (usual and type(module) is not nn.LayerNorm):
            plain = OnTensors().norm(module)
            return lambda hidden, update=None: array(
                plain(self.tensor(hidden), None if update is None else self.tensor(update))
            )
        weight, nothing = array(module.weight.detach()), np.empty((0, len(module.weight)), self._stored)
        bias = array(module.bias.detach()) if usual else None
        epsilon = np.float32(module.eps if usual else module.variance_epsilon)

        def of(hidden: Array, update: Array | None = None) -> Array:
            out = np.empty_like(hidden)
            added = nothing if update is None else update
            if bias is None:
                kernels.rms_norm(hidden, added, weight, epsilon, out)
            else:
                kernels.layer_norm(hidden, added, weight, bias, epsilon, out)
            return out

        return of

    def attend_past(self, joined: Array, memory: KVCache, layer: int, visible: AttentionMask, scale: float) -> Array:
        """See :class:`Arithmetic`."""
        found: Array = kernels.attend_past(joined, memory.arrays, layer, *visible.arrays, scale)
        return found

    def attend_source(self, query: Array, memory: KVCache, layer: int, scale: float) -> Array:
        """See :class:`Arithmetic`."""
        found: Array = kernels.attend_source(query, memory.arrays, layer, scale)
        return found


def _activation_of(parts: FeedForwardModules) -> int | None:
    """The activation for compiled code, if that has it."""
    if len(parts.maps) > 1:
        return blocks.GATED_GELU if is_plain(parts.activation, NewGELUActivation) else None
    if is_plain(parts.activation, GELUActivation) and parts.activation.act is functional.gelu:
        return blocks.GELU
    return blocks.RELU if is_plain(parts.activation, nn.ReLU) else None
