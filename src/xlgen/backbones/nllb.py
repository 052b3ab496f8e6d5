"""NLLB-200: FLORES codes (``fra_Latn``) before source and target (``legacy_behaviour=False``)."""

from __future__ import annotations

import json
from functools import cached_property
from typing import TypeAlias

from xlgen.backbones.bart_steps import bart_step
from xlgen.backbones.base import families
from xlgen.backbones.mbart import CodedBackbone, coded_config
from xlgen.backbones.skeletons import Corpus, Shape, Skeleton, skeletons, train_bpe
from xlgen.core.languages import by_flores
from xlgen.kernels.decoder_steps import DecoderStep
from xlgen.kernels.model_types import TransformersConfig, TransformersTokenizer

_Merges: TypeAlias = list[tuple[str, ...]]
"""Pairs of tokens. NllbTokenizer passes them to ``tokenizers``, but declares single strings."""


@families.register("nllb")
class Nllb(CodedBackbone):
    """NLLB-200 (NLLB Team et al. 2022): M2M-100's architecture, 200 languages, translation as pretraining."""

    model_types = ("m2m_100",)
    tokenizer_classes = ("NllbTokenizer", "NllbTokenizerFast")

    @classmethod
    def repair_tokenizer(cls, tokenizer: TransformersTokenizer) -> TransformersTokenizer:
        """Insert the 202 codes between the vocabulary and ``<mask>``, as in NLLB-200's training.

        From a SentencePiece file alone, transformers 5.17 to 5.23 builds a tokenizer without codes, in which ``<mask>``
        has the id of the first code.
        """
        from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES, NllbTokenizer

        if tokenizer.convert_tokens_to_ids("eng_Latn") != tokenizer.unk_token_id:
            return tokenizer
        backend = tokenizer.backend_tokenizer
        model = json.loads(backend.to_str())["model"]
        pieces = [*model["vocab"], *FAIRSEQ_LANGUAGE_CODES, "<mask>"]  # a vocabulary lists its ids in order
        vocabulary = {piece: index for index, piece in enumerate(pieces)}
        merges: _Merges = [tuple(pair) for pair in model["merges"]]
        repaired = NllbTokenizer(vocab=vocabulary, merges=merges)  # type: ignore[arg-type]  # see _Merges
        repaired.backend_tokenizer.normalizer = backend.normalizer
        return repaired

    def decoder_step(self, longest: int) -> DecoderStep:
        """Sinusoidal positions, which start after the padding's index."""
        table = self.model.get_decoder().embed_positions
        weights = table.get_embedding(longest + table.padding_idx + 2, table.embedding_dim, table.padding_idx)
        weights = weights.to(table.weights)
        behind = table.padding_idx + 1
        return bart_step(self.model, longest, lambda count: weights[(count + behind).clamp(max=len(weights) - 1)])

    @cached_property
    def codes(self) -> dict[str, int]:
        """fr -> the id of ``fra_Latn``."""
        from transformers.models.nllb.tokenization_nllb import FAIRSEQ_LANGUAGE_CODES

        return self._known((code, by_flores(code)) for code in FAIRSEQ_LANGUAGE_CODES)


def _skeleton(corpus: Corpus, shape: Shape) -> tuple[TransformersTokenizer, TransformersConfig]:
    """NllbTokenizer and M2M100Config."""
    from transformers import M2M100Config, NllbTokenizer

    trained = train_bpe(["<s>", "<pad>", "</s>", "<unk>"], corpus, shape)
    model = json.loads(trained.to_str())["model"]
    merges: _Merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in model["merges"]]
    tokenizer = NllbTokenizer(
        vocab=model["vocab"],
        merges=merges,  # type: ignore[arg-type]  # see _Merges
        src_lang="eng_Latn",
    )
    return tokenizer, M2M100Config(**coded_config(len(tokenizer), shape), activation_function="relu")


skeletons.register("nllb")(Skeleton(_skeleton, code=lambda language: language.flores))
