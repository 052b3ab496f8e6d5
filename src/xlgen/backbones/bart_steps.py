"""The step of BART's decoder with the norms before the blocks: mBART-50 and NLLB-200 (M2M-100)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from torch import Tensor

from xlgen.kernels.arithmetic import Arithmetic, AttentionModules, FeedForwardModules, OnTensors, V, compiled_arithmetic
from xlgen.kernels.decoder_steps import AttentionMask, DecoderStep, KVCache, Pair, by_distance, plain_head_of
from xlgen.kernels.model_types import ModelPart, TransformersModel

Positions = Callable[[Tensor], Tensor]
"""The embeddings of positions, (inputs,) to (inputs, width)."""


def bart_step(model: TransformersModel, longest: int, positions: Positions) -> DecoderStep:
    """The step, compiled where that is possible."""
    if compiled := compiled_arithmetic(next(model.parameters())):
        return BartStep(model, longest, compiled, positions)
    return BartStep(model, longest, OnTensors(), positions)


class BartStep(DecoderStep, Generic[V]):
    """Absolute positions, counted from each row's first column by ``positions``."""

    def __init__(self, model: TransformersModel, longest: int, operations: Arithmetic[V], positions: Positions) -> None:
        decoder = model.get_decoder()
        self.source_layout = operations.source_layout
        self._operations, self._embed = operations, operations.embedding(decoder.embed_tokens)
        self._head, self._positions = model.get_output_embeddings(), positions
        first = getattr(decoder, "layernorm_embedding", None)
        self._first_norm = None if first is None else operations.norm(first)
        self._last_norm = operations.norm(decoder.layer_norm)
        self._bias = getattr(model, "final_logits_bias", None)
        self.plain_head = plain_head_of(self._head, self._bias)
        self._layers = [_Layer(layer, operations) for layer in decoder.layers]
        attention = decoder.layers[0].self_attn
        self._longest = longest
        self._mask = by_distance(self._head.weight.new_zeros((1, longest + 1)))
        self.layers, self.heads, self.dim = len(self._layers), attention.num_heads, attention.head_dim

    def source(self, states: Tensor) -> list[Pair]:
        """See :class:`DecoderStep`."""
        return [layer.source(states) for layer in self._layers]

    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """See :class:`DecoderStep`."""
        do, update = self._operations, None
        positions = self._positions(column - memory.first)  # (inputs, width)
        embedded = do.tensor(self._embed(tokens)).view(len(positions), -1, positions.shape[1])
        hidden = do.value((embedded + positions[:, None]).flatten(0, 1))
        hidden = self._first_norm(hidden) if self._first_norm is not None else hidden
        visible = AttentionMask(self._mask, memory, column, self._longest)
        for index, layer in enumerate(self._layers):
            update = layer.own(hidden, update, memory, index, visible)
            update = layer.cross(hidden, update, memory, index)
            update = layer.feed(hidden, update)
        return do.tensor(self._last_norm(hidden, update))

    def norm(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        do = self._operations
        rows = do.value(hidden.reshape(-1, hidden.shape[-1]))
        return do.tensor(self._last_norm(rows)).view(hidden.shape)

    def logits(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        logits: Tensor = self._head(hidden)
        return logits if self._bias is None else logits + self._bias


class _Layer(Generic[V]):
    """The parts of one decoder layer."""

    def __init__(self, layer: ModelPart, operations: Arithmetic[V]) -> None:
        own, cross = layer.self_attn, layer.encoder_attn
        maps, scale = (own.q_proj, own.k_proj, own.v_proj), own.scaling
        parts = AttentionModules(layer.self_attn_layer_norm, own, maps, own.out_proj, scale)
        self.own = operations.self_attention(parts)
        parts = AttentionModules(layer.encoder_attn_layer_norm, cross, (cross.q_proj,), cross.out_proj, scale)
        self.cross = operations.cross_attention(parts)
        self.source = operations.source(cross.k_proj, cross.v_proj, cross.num_heads)
        inner = FeedForwardModules(layer.final_layer_norm, None, (layer.fc1,), layer.activation_fn, layer.fc2)
        self.feed = operations.feed_forward(inner)
