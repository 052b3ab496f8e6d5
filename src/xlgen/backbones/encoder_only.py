"""Encoders without a decoder: multilingual BERT and XLM-R (Ji et al. 2024, section 2.1). They need a head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, NoReturn

from torch import Tensor, nn

from xlgen.backbones.base import Backbone, BackboneError, families
from xlgen.data.examples import EncodedExample

# "Multilingual cased" of google-research/bert, multilingual.md: the 104 largest Wikipedias.
_MBERT = """af an ar ast az azb ba bar be bg bn bpy br bs ca ce ceb cs cv cy da de el en es et eu fa fi fr fy ga gl gu
he hi hr ht hu hy id io is it ja jv ka kk kn ko ky la lb lmo lt lv mg min mk ml mn mr ms my nds ne new nl nn no oc pa pl
pms pnb pt ro ru scn sco sh sk sl sq sr su sv sw ta te tg th tl tr tt uk ur uz vi vo war yo zh zh-Hant"""
# Conneau et al. 2020, Table 6, without romanized languages.
_XLM_R = """af am ar as az be bg bn br bs ca cs cy da de el en eo es et eu fa fi fr fy ga gd gl gu ha he hi hr hu hy id
is it ja jv ka kk km kn ko ku ky la lo lt lv mg mk ml mn mr ms my ne nl no om or pa pl ps pt ro ru sa sd si sk sl so sq
sr su sv sw ta te th tl tr ug uk ur uz vi xh yi zh zh-Hant"""


class EncoderOnly(Backbone):
    """A family with BERT's layout, ``[CLS] X [SEP]``, and BERT's names of blocks, without a decoder."""

    decodes = False
    has_language_codes = False
    leading_codes = 1
    attention_modules = ("attention.output.dense",)
    feed_forward_modules = ("output.dense",)
    # The last part of the name of feed_forward_out, `output.dense`, ends the name of `output` too: see `maps`.
    projections: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "query": ("query",),
        "key": ("key",),
        "value": ("value",),
        "output": ("attention.output.dense",),
        "feed_forward_in": ("intermediate.dense",),
    }
    known: ClassVar[str]

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages in the checkpoint's config, or those of the published model."""
        own = getattr(self.model.config, "xlgen_languages", None)
        return tuple(own or self.known.split())

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``[CLS] X [SEP]``."""
        return (self.tokenizer.cls_token_id, *ids, self.tokenizer.sep_token_id)

    def pair(self, first: Sequence[int], second: Sequence[int], language: str) -> tuple[int, ...]:
        """``[CLS] A [SEP] B [SEP]``."""
        return self.source((*first, self.tokenizer.sep_token_id, *second), language)

    def target_prefix(self, language: str) -> NoReturn:
        """There are no targets. Raises BackboneError."""
        raise BackboneError(f"{self.name} is an encoder without a decoder and generates no text")

    def decoder_step(self, longest: int) -> NoReturn:
        """There is no decoder. Raises BackboneError."""
        self.target_prefix("")

    @property
    def encoder(self) -> nn.Module:
        """The whole model is an encoder."""
        model: nn.Module = self.model
        return model

    @property
    def weight_names(self) -> Mapping[str, tuple[str, ...]]:
        """With ``feed_forward_out``."""
        return {**self.projections, "feed_forward_out": ("output.dense",)}

    def maps(self, kind: str) -> tuple[str, ...]:
        """The whole names for ``feed_forward_out``, one for each layer."""
        if kind != "feed_forward_out":
            return super().maps(kind)
        return tuple(name for name, _ in self.sublayers(attention=False))

    @property
    def decoder_shape(self) -> NoReturn:
        """There is no decoder. Raises BackboneError."""
        self.target_prefix("")

    def sublayers(self, attention: bool = True) -> list[tuple[str, nn.Module]]:
        """The last maps of attention and feed-forward blocks, before the residual is added."""
        found = [(name, module) for name, module in self.model.named_modules() if name.endswith(".output.dense")]
        return [(name, module) for name, module in found if attention or ".attention." not in name]

    def entrance(self, name: str) -> nn.Module:
        """The module whose input is the input of the block called ``name`` by ``sublayers``."""
        layer = name.removesuffix(".output.dense")
        inner = "self" if layer.endswith(".attention") else "intermediate"
        module: nn.Module = self.model.get_submodule(f"{layer}.{inner}")
        return module


@families.register("bert")
class Bert(EncoderOnly):
    """Multilingual BERT (Devlin et al. 2019): an encoder, for tasks with a head."""

    model_types = ("bert",)
    known = _MBERT
    library_names: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tagging": {"encoder.": "bert.", "head.classifier.": "classifier."},
        "classification": {
            "encoder.": "bert.",
            "head.dense.": "bert.pooler.dense.",
            "head.classifier.": "classifier.",
        },
    }

    def collate_sources(self, examples: Sequence[EncodedExample]) -> dict[str, Tensor]:
        """With ``token_type_ids``: 1 after the first ``[SEP]``, that is, for the second text of a pair."""
        rows = super().collate_sources(examples)
        ends = rows["input_ids"] == self.tokenizer.sep_token_id
        segments = (ends.cumsum(1) - ends.long()).clamp(max=1) * rows["attention_mask"]
        return {**rows, "token_type_ids": segments}


@families.register("xlm-roberta")
class XlmRoberta(EncoderOnly):
    """XLM-R (Conneau et al. 2020): an encoder, for tasks with a head."""

    model_types = ("xlm-roberta",)
    known = _XLM_R
    library_names: ClassVar[Mapping[str, Mapping[str, str]]] = {
        "tagging": {"encoder.": "roberta.", "head.classifier.": "classifier."},
        "classification": {
            "encoder.": "roberta.",
            "head.dense.": "classifier.dense.",
            "head.classifier.": "classifier.out_proj.",
        },
    }

    def pair(self, first: Sequence[int], second: Sequence[int], language: str) -> tuple[int, ...]:
        """``<s> A </s> </s> B </s>``."""
        end = self.tokenizer.sep_token_id
        return self.source((*first, end, end, *second), language)

    @property
    def positions(self) -> int:
        """Positions start after the padding's index: 512 of the table's 514."""
        config = self.model.config
        positions: int = config.max_position_embeddings - config.pad_token_id - 1
        return positions
