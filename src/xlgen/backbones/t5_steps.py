"""The step of T5's decoder: mT5 and umT5."""

from __future__ import annotations

from typing import Generic

from torch import Tensor

from xlgen.kernels.arithmetic import Arithmetic, AttentionModules, FeedForwardModules, OnTensors, V, compiled_arithmetic
from xlgen.kernels.decoder_steps import AttentionMask, DecoderStep, KVCache, Pair, by_distance, plain_head_of
from xlgen.kernels.model_types import ModelPart, TransformersModel


def t5_step(model: TransformersModel, longest: int) -> DecoderStep:
    """The step, compiled where that is possible."""
    if compiled := compiled_arithmetic(next(model.parameters())):
        return T5Step(model, longest, compiled)
    return T5Step(model, longest, OnTensors())


class T5Step(DecoderStep, Generic[V]):
    """Relative positions: a bias by distance, in the first layer (mT5) or in every layer (umT5)."""

    def __init__(self, model: TransformersModel, longest: int, operations: Arithmetic[V]) -> None:
        decoder = model.get_decoder()
        self.source_layout = operations.source_layout
        self._operations, self._embed = operations, operations.embedding(decoder.embed_tokens)
        self._head, self._norm = model.get_output_embeddings(), operations.norm(decoder.final_layer_norm)
        self.plain_head = plain_head_of(self._head, None)
        self._blocks = [_Block(block, operations) for block in decoder.block]
        first = self._blocks[0].attention
        self.layers, self.heads, self.dim = len(self._blocks), first.n_heads, first.key_value_proj_dim
        self._longest = longest
        # (heads, longest + 1): the bias of the last column towards each column.
        own = [block.attention for block in self._blocks if block.attention.has_relative_attention_bias]
        biases = (each.compute_bias(1, longest + 1, past_seen_tokens=longest)[0, :, 0] for each in own)
        self._biases = [by_distance(bias).contiguous() for bias in biases]

    def source(self, states: Tensor) -> list[Pair]:
        """See :class:`DecoderStep`."""
        return [block.source(states) for block in self._blocks]

    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """See :class:`DecoderStep`."""
        do, update = self._operations, None
        hidden = self._embed(tokens)
        visible = [AttentionMask(bias, memory, column, self._longest) for bias in self._biases]
        for layer, block in enumerate(self._blocks):
            seen = visible[layer if len(visible) > 1 else 0]
            update = block.own(hidden, update, memory, layer, seen)
            update = block.cross(hidden, update, memory, layer)
            update = block.feed(hidden, update)
        return do.tensor(self._norm(hidden, update))

    def norm(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        do = self._operations
        rows = do.value(hidden.reshape(-1, hidden.shape[-1]))
        return do.tensor(self._norm(rows)).view(hidden.shape)

    def logits(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        logits: Tensor = self._head(hidden)
        return logits


class _Block(Generic[V]):
    """The parts of one decoder block."""

    def __init__(self, block: ModelPart, operations: Arithmetic[V]) -> None:
        own, cross, feed = block.layer
        self.attention, other, inner = own.SelfAttention, cross.EncDecAttention, feed.DenseReluDense
        maps = self.attention.q, self.attention.k, self.attention.v
        into = (inner.wi_0, inner.wi_1) if hasattr(inner, "wi_0") else (inner.wi,)
        parts = AttentionModules(own.layer_norm, self.attention, maps, self.attention.o, 1.0)
        self.own = operations.self_attention(parts)
        self.cross = operations.cross_attention(AttentionModules(cross.layer_norm, other, (other.q,), other.o, 1.0))
        self.source = operations.source(other.k, other.v, other.n_heads)
        self.feed = operations.feed_forward(FeedForwardModules(feed.layer_norm, inner, into, inner.act, inner.wo))
