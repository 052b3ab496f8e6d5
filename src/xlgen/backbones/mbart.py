"""mBART-50 (pt, m2m, m2o, o2m): ``[code] X </s>`` on both sides; the target's code is forced for each example."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from xlgen.backbones.bart_steps import bart_step
from xlgen.backbones.base import Backbone, families
from xlgen.backbones.skeletons import Corpus, Shape, Skeleton, skeletons, train_unigram
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language, by_mbart
from xlgen.kernels.decoder_steps import DecoderStep
from xlgen.kernels.model_types import TransformersConfig, TransformersTokenizer


class CodedBackbone(Backbone):
    """A backbone with a language code before every source and every target."""

    attention_modules = ("self_attn", "encoder_attn")
    feed_forward_modules = ("fc2",)
    entrances: ClassVar[Mapping[str, str]] = {"fc2": "fc1"}
    projections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "query": ("q_proj",),
        "key": ("k_proj",),
        "value": ("v_proj",),
        "output": ("out_proj",),
        "feed_forward_in": ("fc1",),
        "feed_forward_out": ("fc2",),
    }
    leading_codes = 1
    leftover_pattern = re.compile(r"<sep>")

    @property
    @abstractmethod
    def codes(self) -> dict[str, int]:
        """Token id of each known language's code."""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that have a code, or those in the config of an embedded backbone."""
        own = getattr(self.model.config, "xlgen_languages", None)
        return tuple(own) if own else tuple(self.codes)

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``[code] X </s>``."""
        return (self.codes[language], *ids, self.tokenizer.eos_token_id)

    def target_prefix(self, language: str) -> tuple[int, ...]:
        """``[code]``, after the decoder's start at ``</s>``."""
        return (self.codes[language],)

    @property
    def start_token(self) -> int:
        """``</s>``, even if the config does not set it, as in MBartConfig."""
        config, end = self.model.config, self.tokenizer.eos_token_id
        start: int = end if config.decoder_start_token_id is None else config.decoder_start_token_id
        return start

    @property
    def decoder_shape(self) -> tuple[int, int, int]:
        """Layers, heads, and each head's share of the model's width."""
        config = self.model.config
        heads = config.decoder_attention_heads
        return config.decoder_layers, heads, config.d_model // heads

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """``embeddings`` and ``lm_head`` are the same part, since input and output share a matrix."""
        parts = super().parts()
        return {**parts, "lm_head": (*parts["lm_head"], *parts["embeddings"])}

    @property
    def _code_ids(self) -> Iterable[int]:
        return self.codes.values()

    def _known(self, codes: Iterable[tuple[str, Language | None]]) -> dict[str, int]:
        """Ids of the codes that the tokenizer has, by language."""
        unknown = self.tokenizer.unk_token_id
        ids = {row.code: self.tokenizer.convert_tokens_to_ids(code) for code, row in codes if row}
        return {code: index for code, index in ids.items() if isinstance(index, int) and index != unknown}


@families.register("mbart")
class MBart50(CodedBackbone):
    """mBART-50 (Tang et al. 2021)."""

    model_types = ("mbart",)
    # mBART-25 (MBartTokenizer) has the same model type, but its codes come last.
    tokenizer_classes = ("MBart50Tokenizer", "MBart50TokenizerFast")

    def decoder_step(self, longest: int) -> DecoderStep:
        """Learned positions; the first two rows of the table are unused."""
        table = self.model.get_decoder().embed_positions
        last = table.num_embeddings - 1
        # The positions of finished inputs keep increasing until they leave the batch.

        def positions(count: Tensor) -> Tensor:
            return functional.embedding((count + table.offset).clamp(max=last), table.weight)

        return bart_step(self.model, longest, positions)

    @cached_property
    def codes(self) -> dict[str, int]:
        """fr -> the id of ``fr_XX``."""
        from transformers.models.mbart50.tokenization_mbart50 import FAIRSEQ_LANGUAGE_CODES

        return self._known((code, by_mbart(code)) for code in FAIRSEQ_LANGUAGE_CODES)


def coded_config(vocabulary_size: int, shape: Shape) -> JsonObject:
    """The keys that the configs of mBART and M2M-100 share."""
    return {
        "vocab_size": vocabulary_size,
        "d_model": shape.width,
        "encoder_layers": shape.layers,
        "decoder_layers": shape.layers,
        "encoder_attention_heads": shape.heads,
        "decoder_attention_heads": shape.heads,
        "encoder_ffn_dim": 2 * shape.feed_forward,
        "decoder_ffn_dim": 2 * shape.feed_forward,
        "encoder_layerdrop": 0.0,
        "decoder_layerdrop": 0.0,
        "dropout": 0.0,
        "attention_dropout": 0.0,
        "activation_dropout": 0.0,
        "scale_embedding": True,
        "decoder_start_token_id": 2,
        "pad_token_id": 1,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "forced_eos_token_id": 2,
        "max_position_embeddings": 1024,
    }


def _skeleton(corpus: Corpus, shape: Shape) -> tuple[TransformersTokenizer, TransformersConfig]:
    """MBart50Tokenizer and MBartConfig."""
    from transformers import MBart50Tokenizer, MBartConfig

    # The tokenizer puts fairseq's four special tokens first and the codes last by itself.
    tokenizer = MBart50Tokenizer(vocab=train_unigram(["<unk>", "<s>", "</s>"], corpus, shape), src_lang="en_XX")
    return tokenizer, MBartConfig(**coded_config(len(tokenizer), shape), activation_function="gelu")


skeletons.register("mbart")(Skeleton(_skeleton, code=lambda language: language.mbart))
