"""The step of BART's decoder with the norms before the blocks: mBART-50 and NLLB-200 (M2M-100)."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from xlgen.kernels.decoder_steps import (
    AttentionMask,
    DecoderStep,
    KVCache,
    Pair,
    by_distance,
    cross_attention,
    enter,
    joined_linear,
    plain_head_of,
    self_attention,
    split_heads,
    through_hooks,
)
from xlgen.kernels.model_types import ModelPart, TransformersModel


class BartStep(DecoderStep):
    """Absolute positions, counted from each row's first column by ``positions`` (a count to a vector)."""

    def __init__(self, model: TransformersModel, positions: Callable[[Tensor], Tensor], longest: int) -> None:
        decoder = model.get_decoder()
        self._embed, self._head, self._positions = decoder.embed_tokens, model.get_output_embeddings(), positions
        self._first_norm, self._last_norm = getattr(decoder, "layernorm_embedding", None), decoder.layer_norm
        self._bias = getattr(model, "final_logits_bias", None)
        self.plain_head = plain_head_of(self._head, self._bias)
        self._layers = [_Layer(layer) for layer in decoder.layers]
        attention = self._layers[0].attention
        self._longest = longest
        self._mask = by_distance(self._embed.weight.new_zeros((1, 1, 1, longest + 1)))
        self.layers, self.heads, self.dim = len(self._layers), attention.num_heads, attention.head_dim

    def source(self, states: Tensor) -> list[Pair]:
        """See :class:`DecoderStep`."""
        found = [layer.source(states) for layer in self._layers]
        return [(split_heads(keys, self.heads), split_heads(values, self.heads)) for keys, values in found]

    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """See :class:`DecoderStep`."""
        # (rows, 1, width), as hooks expect it
        positions = self._positions(column - memory.first).repeat_interleave(len(tokens) // len(memory.first), 0)
        hidden = self._embed(tokens[:, None]) + positions[:, None]
        hidden = self._first_norm(hidden) if self._first_norm is not None else hidden
        visible = AttentionMask(self._mask, memory, column, self._longest)
        for index, layer in enumerate(self._layers):
            normed = enter(layer.attention, layer.self_norm(hidden))
            query, key, value = layer.query_key_value(normed)
            scale = layer.attention.scaling
            found = self_attention(query * scale, key, value, memory.past[index], visible)
            hidden = hidden + through_hooks(layer.attention, normed, layer.attention.out_proj(found))
            normed = enter(layer.cross, layer.cross_norm(hidden))
            query = layer.cross.q_proj(normed)
            found = cross_attention(query, memory.source[index], memory.source_mask, scale)
            hidden = hidden + through_hooks(layer.cross, normed, layer.cross.out_proj(found))
            inner = layer.activation(layer.first(layer.feed_norm(hidden)))
            hidden = hidden + layer.second(inner)
        return self.norm(hidden)[:, 0]

    def norm(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        normed: Tensor = self._last_norm(hidden)
        return normed

    def logits(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        logits: Tensor = self._head(hidden)
        return logits if self._bias is None else logits + self._bias


class _Layer:
    """The parts of one decoder layer."""

    def __init__(self, layer: ModelPart) -> None:
        self.attention, self.self_norm = layer.self_attn, layer.self_attn_layer_norm
        self.cross, self.cross_norm = layer.encoder_attn, layer.encoder_attn_layer_norm
        self.first, self.second, self.feed_norm = layer.fc1, layer.fc2, layer.final_layer_norm
        self.activation = layer.activation_fn
        own, cross = self.attention, self.cross
        self.query_key_value = joined_linear([own.q_proj, own.k_proj, own.v_proj])
        self.source = joined_linear([cross.k_proj, cross.v_proj])
