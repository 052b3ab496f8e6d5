"""The step of T5's decoder: mT5 and umT5."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from xlgen.kernels.decoder_steps import (
    AttentionMask,
    DecoderStep,
    KVCache,
    Pair,
    by_distance,
    cross_attention,
    enter,
    joined_linear,
    kernels_for,
    plain_head_of,
    self_attention,
    split_heads,
    through_hooks,
)
from xlgen.kernels.model_types import ModelPart, TransformersModel


class T5Step(DecoderStep):
    """Relative positions: a bias by distance, in the first layer (mT5) or in every layer (umT5)."""

    def __init__(self, model: TransformersModel, longest: int) -> None:
        decoder = model.get_decoder()
        self._embed, self._head, self._norm = (
            decoder.embed_tokens,
            model.get_output_embeddings(),
            decoder.final_layer_norm,
        )
        self.plain_head = plain_head_of(self._head, None)
        self._blocks = [_Block(block) for block in decoder.block]
        first = self._blocks[0].attention
        self.layers, self.heads, self.dim = len(self._blocks), first.n_heads, first.key_value_proj_dim
        self._longest = longest
        # (1, heads, 1, longest + 1): the bias of the last column towards each column.
        own = [block.attention for block in self._blocks if block.attention.has_relative_attention_bias]
        self._biases = [by_distance(each.compute_bias(1, longest + 1, past_seen_tokens=longest)) for each in own]

    def source(self, states: Tensor) -> list[Pair]:
        """See :class:`DecoderStep`."""
        found = [block.source(states) for block in self._blocks]
        return [(split_heads(keys, self.heads), split_heads(values, self.heads)) for keys, values in found]

    def hidden(self, tokens: Tensor, memory: KVCache, column: int) -> Tensor:
        """See :class:`DecoderStep`."""
        hidden = self._embed(tokens[:, None])  # (rows, 1, width), as hooks expect it
        visible = [AttentionMask(bias, memory, column, self._longest) for bias in self._biases]
        for layer, block in enumerate(self._blocks):
            normed = enter(block.attention, rms_norm(hidden, block.self_norm))
            query, key, value = block.query_key_value(normed)
            found = self_attention(query, key, value, memory.past[layer], visible[layer if len(visible) > 1 else 0])
            hidden = hidden + through_hooks(block.attention, normed, block.attention.o(found))
            normed = enter(block.cross, rms_norm(hidden, block.cross_norm))
            query = block.cross.q(normed)
            found = cross_attention(query, memory.source[layer], memory.source_mask, 1.0)
            hidden = hidden + through_hooks(block.cross, normed, block.cross.o(found))
            normed = enter(block.feed, rms_norm(hidden, block.feed_norm))
            hidden = hidden + through_hooks(block.feed, normed, block.feed_forward(normed))
        return self.norm(hidden)[:, 0]

    def norm(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        return rms_norm(hidden, self._norm)

    def logits(self, hidden: Tensor) -> Tensor:
        """See :class:`DecoderStep`."""
        logits: Tensor = self._head(hidden)
        return logits


class _Block:
    """The parts of one decoder block."""

    def __init__(self, block: ModelPart) -> None:
        self.attention, self.self_norm = block.layer[0].SelfAttention, block.layer[0].layer_norm
        self.cross, self.cross_norm = block.layer[1].EncDecAttention, block.layer[1].layer_norm
        self.feed, self.feed_norm = block.layer[2].DenseReluDense, block.layer[2].layer_norm
        self.query_key_value = joined_linear([self.attention.q, self.attention.k, self.attention.v])
        self.source = joined_linear([self.cross.k, self.cross.v])
        gated = hasattr(self.feed, "wi_0")
        self._inner = joined_linear([self.feed.wi_0, self.feed.wi_1] if gated else [self.feed.wi])

    def feed_forward(self, hidden: Tensor) -> Tensor:
        """(rows, 1, width) to the same."""
        activated, *linear = self._inner(hidden)
        activated = self.feed.act(activated)
        found: Tensor = self.feed.wo(activated * linear[0] if linear else activated)
        return found


def rms_norm(hidden: Tensor, module: ModelPart) -> Tensor:
    """T5's layer norm: no mean, no bias."""
    if kernels := kernels_for(hidden):
        normed: Tensor = kernels.rms_norm(hidden, module.weight, module.variance_epsilon)
        return normed
    return functional.rms_norm(hidden, (hidden.shape[-1],), module.weight, module.variance_epsilon)
