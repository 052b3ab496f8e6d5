"""The base class of backbones: a model with its tokenizer, and the layout of the family's inputs and targets."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn

from xlgen.backbones.cropping import crop
from xlgen.backbones.model_parts import ModelParts
from xlgen.backbones.padding import pad
from xlgen.backbones.text import TextTokenizer, text_tokenizer
from xlgen.core.languages import Language
from xlgen.core.registry import InputError, Registry
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.token_cache import Ids, pieces_of
from xlgen.kernels.decoder_steps import DecoderStep, Pair
from xlgen.kernels.model_types import TransformersModel, TransformersTokenizer

if TYPE_CHECKING:
    from xlgen.backbones.trimming.record import TrimRecord

IGNORED = -100
"""The label of positions that the loss ignores."""


class BackboneError(InputError):
    """A checkpoint cannot be loaded or used as asked. The message says why and what to do."""


class Backbone(ModelParts):
    """One pretrained encoder-decoder with its tokenizer.

    A family defines the special tokens around the tokens of sources and targets, and the first input of the decoder;
    everything else is shared. Targets are ``prefix + tokens + </s>``. The prefix is forced, so the loss ignores it: it
    is empty for mT5, and the example's language code for mBART and NLLB.
    """

    model_types: ClassVar[tuple[str, ...]]
    """Values of ``model_type`` in config.json."""
    tokenizer_classes: ClassVar[tuple[str, ...]] = ()
    """Values of ``tokenizer_class`` in tokenizer_config.json, if several families share a model type."""
    decodes: ClassVar[bool] = True
    """Whether the model has a decoder; an encoder without one is for tasks with a head."""
    has_language_codes: ClassVar[bool] = True
    """Whether targets begin with a language code, so that only languages with a code can be generated."""
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "bf16", "fp16")
    unsafe_precisions: ClassVar[Mapping[str, str]] = {}
    """Precisions that break the family, with the reason."""
    leading_codes: ClassVar[int] = 0
    """Number of tokens before the text of every source."""
    leftover_pattern: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    """Text in outputs that is left over from pretraining, other than special tokens (Chirkova et al. 2023)."""

    def __init__(self, model: nn.Module, tokenizer: TransformersTokenizer, name: str) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.name = name
        self._learned: dict[str, Ids] = {}
        self.reserved_source = 0
        """Number of encoder positions for virtual tokens."""
        self.reserved_target = 0
        """Number of decoder positions for virtual tokens."""
        self.states_before_target: Callable[[], list[Pair] | None] = lambda: None
        """Keys and values before a target, (1, heads, ``reserved_target``, dim) for each decoder layer, or None."""
        self.files: Mapping[str, str] = {}
        """Digests of the files that the backbone was loaded from."""
        self.trim: TrimRecord | None = None
        """Which tokens of which vocabulary the backbone has, if it is trimmed."""

    @classmethod
    def repair(cls, model: TransformersModel, fresh: bool) -> None:
        """Correct a model that the library has loaded or, if ``fresh``, initialized."""

    @classmethod
    def repair_tokenizer(cls, tokenizer: TransformersTokenizer) -> TransformersTokenizer:
        """The tokenizer as it was published, if the library reads its files differently."""
        return tokenizer

    # -- languages

    @property
    @abstractmethod
    def languages(self) -> tuple[str, ...]:
        """Canonical codes of the languages that the backbone knows."""

    def check_languages(self, languages: Iterable[str], allow_unknown: bool = False) -> None:
        """Raise BackboneError for a language that the backbone does not know.

        ``allow_unknown`` allows any language in families without language codes.
        """
        if allow_unknown and not self.has_language_codes:
            return
        for code in languages:
            if code not in self.languages:
                language = Language.parse(code)
                known, hint = ", ".join(self.languages), "" if self.has_language_codes else _ALLOW
                raise BackboneError(f"{self.name} does not know {language.name} ({code}); it knows {known}{hint}")

    def check_precision(self, precision: str) -> None:
        """Raise BackboneError for a precision that breaks this family."""
        if precision in self.unsafe_precisions:
            raise BackboneError(f"{self.name} in {precision}: {self.unsafe_precisions[precision]}")

    # -- text to ids

    @abstractmethod
    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """An encoder input: ``ids`` with the family's special tokens."""

    def pair(self, first: Sequence[int], second: Sequence[int], language: str) -> tuple[int, ...]:
        """One encoder input of two texts, with an end token between them: ``A </s> B </s>``."""
        return self.source((*first, self.tokenizer.eos_token_id, *second), language)

    @abstractmethod
    def target_prefix(self, language: str) -> tuple[int, ...]:
        """The forced tokens of every target in ``language``, after the decoder's start token."""

    def target(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """A decoder target: ``ids`` with the family's special tokens, without the decoder's start token."""
        return (*self.target_prefix(language), *ids, self.tokenizer.eos_token_id)

    @property
    def text(self) -> TextTokenizer:
        """Converts text to ids and back. Only marked tokens of templates are special (:mod:`xlgen.data.markup`)."""
        return text_tokenizer(self.tokenizer)

    def tokenize(self, text: str) -> list[int]:
        """Token ids of ``text``, without special tokens around them."""
        known = self._learned.get(text)
        return known.tolist() if known is not None else self.text.tokenize([text])[0]

    def cache_tokens(self, texts: Iterable[str]) -> None:
        """Tokenize ``texts`` together, and keep their tokens for :meth:`tokenize`."""
        new = list(dict.fromkeys(text for text in texts if text not in self._learned))
        self._learned.update(zip(new, pieces_of(new, self.text), strict=True))

    def sentinels(self, count: int) -> list[int]:
        """Ids of the first ``count`` sentinels. Raises BackboneError; most families have none."""
        raise BackboneError(f"{self.name} has no sentinel tokens; span corruption needs an mT5 backbone")

    def mask(self) -> int:
        """Id of the mask token. Raises BackboneError if there is none."""
        if self.tokenizer.mask_token_id is None:
            raise BackboneError(f"{self.name} has no mask token; denoising needs an mBART or NLLB backbone")
        return int(self.tokenizer.mask_token_id)

    def encode(self, example: LabelledExample, max_source_tokens: int) -> tuple[EncodedExample, int]:
        """The example's input and first target as ids, and the number of source tokens that were cropped."""
        source, cropped = self.encode_source(example, max_source_tokens)
        target = self.target(self.tokenize(example.targets[0]), example.language)
        return EncodedExample(source, target, example.language), cropped

    def can_encode_targets(self, kind: str) -> bool:
        """Whether :meth:`encode` accepts examples of tasks of this ``kind``; a decoder reads any target as text."""
        return self.decodes

    def encode_source(self, example: LabelledExample, max_tokens: int) -> tuple[tuple[int, ...], int]:
        """The input as ids, cropped to ``max_tokens`` inside its croppable part, and the number of cropped tokens.

        Raises BackboneError if the part that must not be cropped is over the limit.
        """
        limit = self.source_limit(max_tokens) - len(self.source([], example.language))
        text, pieces = example.source, self.tokenize(example.source)
        beyond = example.cut * len(pieces) // max(1, len(text))  # an estimate: that text was not tokenized
        if len(pieces) <= limit:
            return self.source(pieces, example.language), beyond
        shorter = crop(text, example.croppable or (0, len(text)), self.text.with_spans(text), limit, self.tokenize)
        if shorter:
            return self.source(shorter, example.language), len(pieces) - len(shorter) + beyond
        cause = f" ({self.reserved_source} positions are the prompt's)" if self.reserved_source else ""
        raise BackboneError(
            f"{example.where}: {len(pieces)} tokens, and what must not be cropped is over the limit of "
            f"{self.source_limit(max_tokens)}{cause} by itself; raise max_source_tokens"
        )

    def reserve(self, source: int = 0, target: int = 0) -> None:
        """Keep positions of encoder and decoder free for virtual tokens.

        Raises BackboneError if too few positions are left for a text.
        """
        text = len(self.source([0], self.languages[0]))  # the shortest text: codes, one token, </s>
        for name, count in (("encoder", source), ("decoder", target)):
            if self.positions is not None and count + text > self.positions:
                raise BackboneError(
                    f"{count} virtual tokens and a text of at least {text} tokens pass the {self.positions} positions "
                    f"of {self.name}'s {name} by {count + text - self.positions}; set num_virtual_tokens to at most "
                    f"{self.positions - text}"
                )
        self.reserved_source, self.reserved_target = source, target

    def new_tokens_limit(self, max_new_tokens: int, forced: int) -> int:
        """``max_new_tokens``, or fewer if the positions after ``forced`` tokens do not suffice.

        The last token needs no position, since it is not fed back.
        """
        return self.target_limit(max_new_tokens + forced - 1) - forced + 1

    def source_limit(self, max_tokens: int) -> int:
        """The smaller of the task's limit and the number of positions left for the source."""
        positions = self.positions
        return max_tokens if positions is None else min(max_tokens, positions - self.reserved_source)

    def target_limit(self, max_tokens: int) -> int:
        """The smaller of the task's limit and the number of positions left for the target."""
        positions = self.positions
        return max_tokens if positions is None else min(max_tokens, positions - self.reserved_target)

    @property
    def positions(self) -> int | None:
        """Number of the model's positions; None for relative positions, which are unlimited."""
        return getattr(self.model.config, "max_position_embeddings", None)

    # -- ids to tensors

    @property
    def start_token(self) -> int:
        """Id of the first token of every decoder input."""
        start: int = self.model.config.decoder_start_token_id
        return start

    def collate(self, examples: Sequence[EncodedExample]) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask`` (batch, source) and ``decoder_input_ids``, ``labels`` (batch, target).

        Labels are the targets; the labels of forced tokens are ignored.
        """
        start = self.start_token
        forced = [len(self.target_prefix(e.language)) for e in examples]
        labels = pad([(*[IGNORED] * skip, *e.target[skip:]) for e, skip in zip(examples, forced, strict=True)], IGNORED)
        decoder = pad([(start, *e.target[:-1]) for e in examples], self.tokenizer.pad_token_id)
        return {**self.collate_sources(examples), "decoder_input_ids": decoder, "labels": labels}

    def collate_sources(self, examples: Sequence[EncodedExample]) -> dict[str, Tensor]:
        """``input_ids`` and ``attention_mask``, (batch, source) each."""
        input_ids = pad([e.source for e in examples], self.tokenizer.pad_token_id)
        lengths = torch.tensor([len(e.source) for e in examples])
        return {
            "input_ids": input_ids,
            "attention_mask": (torch.arange(input_ids.shape[1])[None] < lengths[:, None]).long(),
        }

    def decoder_start(self, languages: Sequence[str]) -> Tensor:
        """The decoder's first input for each example: (batch, 1 + forced tokens)."""
        return torch.tensor([[self.start_token, *self.target_prefix(language)] for language in languages])

    def decode(self, ids: Sequence[int]) -> str:
        """Generated ids as text, without padding, end tokens and language codes.

        Other special tokens (leftovers of pretraining, and the unknown token) are marked (:mod:`xlgen.data.markup`).
        """
        return self.text.text(i for i in ids if i not in self._hidden).strip()

    @property
    def leftovers(self) -> frozenset[int]:
        """Ids of special tokens that no output should contain: sentinels, masks, the unknown token."""
        return frozenset(self.text.special) - self._hidden

    @cached_property
    def _hidden(self) -> frozenset[int]:
        """Ids that any output may contain and that are not part of its text."""
        return frozenset((self.tokenizer.pad_token_id, self.tokenizer.eos_token_id, *self._code_ids))

    @property
    def _code_ids(self) -> Iterable[int]:
        return ()

    @abstractmethod
    def decoder_step(self, longest: int) -> DecoderStep:
        """One step of the decoder over at most ``longest`` + 1 columns, built from the model's current modules."""

    def maps(self, kind: str) -> tuple[str, ...]:
        """Last parts of the names, or whole names, of one kind of linear maps (``projections``).

        Raises BackboneError for an unknown kind.
        """
        if kind not in self.projections:
            raise BackboneError(f"{self.name}: {kind} has no name of its own; there are {', '.join(self.projections)}")
        return self.projections[kind]


_ALLOW = "; `unknown_languages: allow` in the recipe's `backbone` lets any language through"
families: Registry[type[Backbone]] = Registry("backbone family", "xlgen.backbones", "families")
"""Families of pretrained models; the `model_type` of a checkpoint's config finds its family."""
