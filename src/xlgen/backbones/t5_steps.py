"""The step of T5's decoder: mT5 and umT5."""

from __future__ import annotations

from typing import Generic

from torch import Tensor

from xlgen.kernels.arithmetic import Arithmetic, OnTensors, V, compiled_arithmetic
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
            normed = do.enter(block.attention, block.self_norm(hidden, update))
            seen = visible[layer if len(visible) > 1 else 0]
            found = do.attend_past(block.query_key_value(normed), memory, layer, seen, 1.0)
            update = do.leave(block.attention, normed, block.self_output(found))
            normed = do.enter(block.cross, block.cross_norm(hidden, update))
            found = do.attend_source(block.cross_query(normed), memory, layer, 1.0)
            update = do.leave(block.cross, normed, block.cross_output(found))
            normed = do.enter(block.feed, block.feed_norm(hidden, update))
            update = do.leave(block.feed, normed, block.output(block.activation(block.inner(normed))))
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
        linear, norm, (own, cross, feed) = operations.linear, operations.norm, block.layer
        self.attention, self.self_norm = own.SelfAttention, norm(own.layer_norm)
        self.cross, self.cross_norm = cross.EncDecAttention, norm(cross.layer_norm)
        self.feed, self.feed_norm = feed.DenseReluDense, norm(feed.layer_norm)
        self.query_key_value = linear(self.attention.q, self.attention.k, self.attention.v)
        self.self_output = linear(self.attention.o)
        self.source = operations.source(self.cross.k, self.cross.v, self.cross.n_heads)
        self.cross_query, self.cross_output = linear(self.cross.q), linear(self.cross.o)
        gated = hasattr(self.feed, "wi_0")
        self.inner = linear(self.feed.wi_0, self.feed.wi_1) if gated else linear(self.feed.wi)
        self.activation = (operations.gate if gated else operations.activation)(self.feed.act)
        self.output = linear(self.feed.wo)
