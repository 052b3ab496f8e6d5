"""The step of BART's decoder with the norms before the blocks: mBART-50 and NLLB-200 (M2M-100)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic

from torch import Tensor

from xlgen.kernels.arithmetic import Arithmetic, OnTensors, V, compiled_arithmetic
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
        attention = self._layers[0].attention
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
            normed = do.enter(layer.attention, layer.self_norm(hidden, update))
            scale = layer.attention.scaling
            found = do.attend_past(layer.query_key_value(normed), memory, index, visible, scale)
            update = do.leave(layer.attention, normed, layer.self_output(found))
            normed = do.enter(layer.cross, layer.cross_norm(hidden, update))
            found = do.attend_source(layer.cross_query(normed), memory, index, scale)
            update = do.leave(layer.cross, normed, layer.cross_output(found))
            normed = layer.feed_norm(hidden, update)
            update = layer.output(layer.activation(layer.inner(normed)))
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
        linear, norm, own, cross = operations.linear, operations.norm, layer.self_attn, layer.encoder_attn
        self.attention, self.self_norm = own, norm(layer.self_attn_layer_norm)
        self.cross, self.cross_norm = cross, norm(layer.encoder_attn_layer_norm)
        self.feed_norm = norm(layer.final_layer_norm)
        self.query_key_value, self.self_output = linear(own.q_proj, own.k_proj, own.v_proj), linear(own.out_proj)
        self.source = operations.source(cross.k_proj, cross.v_proj, cross.num_heads)
        self.cross_query, self.cross_output = linear(cross.q_proj), linear(cross.out_proj)
        self.inner, self.output = linear(layer.fc1), linear(layer.fc2)
        self.activation = operations.activation(layer.activation_fn)
