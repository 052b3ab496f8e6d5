"""mT5 and umT5: no language codes, sentinels for spans, a separate output matrix, relative positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from xlgen.backbones.base import Backbone, BackboneError, families
from xlgen.backbones.skeletons import Corpus, Shape, Skeleton, skeletons, train_unigram
from xlgen.backbones.t5_steps import t5_step
from xlgen.core.languages import all_languages
from xlgen.kernels.decoder_steps import DecoderStep
from xlgen.kernels.model_types import TransformersConfig, TransformersModel, TransformersTokenizer


@families.register("mt5")
class MT5(Backbone):
    """mT5 and umT5 (Xue et al. 2021), including LM-adapted checkpoints."""

    model_types = ("mt5", "umt5")
    has_language_codes = False
    precisions = ("fp32", "bf16")
    unsafe_precisions: ClassVar[Mapping[str, str]] = {
        "fp16": "activations overflow in fp16 and the loss becomes NaN; use bf16 or fp32"
    }
    attention_modules = ("SelfAttention", "EncDecAttention")
    feed_forward_modules = ("DenseReluDense",)
    projections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "query": ("q",),
        "key": ("k",),
        "value": ("v",),
        "output": ("o",),
        "feed_forward_in": ("wi_0", "wi_1"),
        "feed_forward_out": ("wo",),
    }
    library_names: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tagging": {"encoder.": "transformer.encoder.", "head.classifier.": "classifier."}
    }

    @classmethod
    def repair(cls, model: TransformersModel, fresh: bool) -> None:
        """Separate the output matrix from the embeddings, and make the decoder's attention causal."""
        keep_output_matrix(model)
        for name, module in model.decoder.named_modules():
            if name.endswith("SelfAttention") and hasattr(module, "is_causal"):
                # transformers 5.17 sets False for umT5, so that its decoder attends to the labels it must predict.
                module.is_causal = True
        if fresh:
            # Embeddings are drawn with std 1; the logits of such an output matrix would have std sqrt(d).
            nn.init.normal_(model.lm_head.weight, std=model.config.d_model**-0.5)

    @property
    def languages(self) -> tuple[str, ...]:
        """The 101 languages of mC4, or those in the config of an embedded backbone."""
        own = getattr(self.model.config, "xlgen_languages", None)
        return tuple(own or dict.fromkeys(language.code for language in all_languages() if language.mt5))

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``X </s>``."""
        return (*ids, self.tokenizer.eos_token_id)

    def target_prefix(self, language: str) -> tuple[int, ...]:
        """Empty: mT5 has no language codes."""
        return ()

    def sentinels(self, count: int) -> list[int]:
        """``<extra_id_0>``, ``<extra_id_1>``, ..., which are ``▁<extra_id_0>``, ... in the published vocabulary."""
        known = self.text.sentinels
        ids = [known[name] for name in (f"<extra_id_{index}>" for index in range(count)) if name in known]
        if len(ids) < count:
            raise BackboneError(
                f"{self.name} has fewer than {count} sentinels; shorten max_tokens or raise mean_span_length"
            )
        return ids

    def decoder_step(self, longest: int) -> DecoderStep:
        """See :class:`Backbone`."""
        return t5_step(self.model, longest)

    @property
    def decoder_shape(self) -> tuple[int, int, int]:
        """The heads need not add up to the model's width: mT5-small has 6 of 64 and a width of 512."""
        config = self.model.config
        return config.num_decoder_layers, config.num_heads, config.d_kv

    @property
    def positions(self) -> None:
        """Relative positions are unlimited."""
        return


def keep_output_matrix(model: TransformersModel) -> None:
    """Make sure that ``lm_head`` is a separate matrix and is not tied later.

    The published mT5 has two matrices (mt5-small: 300 M parameters, not 172 M), but transformers 5 sets
    ``tie_word_embeddings=True`` in every MT5Config: a model built from a config is tied, and a later
    ``tie_weights()`` or ``resize_token_embeddings()`` would tie a loaded one and destroy its output matrix.
    """
    model.config.tie_word_embeddings = False
    # The class lists the weights to tie; an instance with an empty list is safe whatever its config.
    model._tied_weights_keys = {k: v for k, v in (model._tied_weights_keys or {}).items() if k != "lm_head.weight"}
    model.all_tied_weights_keys = {
        k: v for k, v in getattr(model, "all_tied_weights_keys", {}).items() if k != "lm_head.weight"
    }
    if model.lm_head.weight is model.shared.weight:
        model.lm_head.weight = nn.Parameter(model.lm_head.weight.detach().clone())


def _skeleton(corpus: Corpus, shape: Shape) -> tuple[TransformersTokenizer, TransformersConfig]:
    """T5Tokenizer with a hundred sentinels, and MT5Config."""
    from transformers import MT5Config, T5Tokenizer

    sentinels = [(f"<extra_id_{index}>", 0.0) for index in range(99, -1, -1)]
    vocabulary = train_unigram(["<pad>", "</s>", "<unk>"], corpus, shape) + sentinels
    config = MT5Config(
        vocab_size=len(vocabulary),
        d_model=shape.width,
        d_kv=shape.width // shape.heads,
        d_ff=shape.feed_forward,
        num_layers=shape.layers,
        num_heads=shape.heads,
        dropout_rate=0.0,
    )
    return T5Tokenizer(vocab=vocabulary), config


skeletons.register("mt5")(Skeleton(_skeleton, code=lambda language: language.code))
