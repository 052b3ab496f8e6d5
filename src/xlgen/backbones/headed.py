"""A backbone whose encoder stands under a head: how words, texts and pairs become ids, labels and back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import NoReturn

import torch
from torch import Tensor, nn

from xlgen.backbones.base import IGNORED, Backbone, BackboneError
from xlgen.backbones.heads import NO_PROMPTS, EncoderWithHead, HeadSpec
from xlgen.backbones.padding import pad
from xlgen.data.batches import budget_batches
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.kernels.model_types import TransformersModel, TransformersTokenizer

_LAYER = re.compile(r"\.(?:block|layers|layer)\.(\d+)\.")
_WORDS = 200_000
"""Whose pieces are kept at most."""


class EncoderClassifier(Backbone):
    """What any family is with its encoder under a head.

    Of a tagging task the tag of a word stands at its first piece (Devlin et al. 2019, section 5.3). Words are cut into
    pieces one by one, so that none straddles two of them in scripts without spaces either; a word of which the
    tokenizer leaves nothing (a lone variation selector) has the unknown token's piece.
    """

    model: EncoderWithHead
    decodes = False
    has_language_codes = False  # there are no targets to begin with one
    peft_task_type = None  # the model classes that peft has for heads expect models of transformers

    @property
    def head(self) -> HeadSpec:
        """What it tells."""
        about: HeadSpec = self.model.about
        return about

    # -- text to ids

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """As of the family; a language that it does not know is given under the code of English."""
        known = language if language in self._known_languages else self._stand_in
        return super().source(ids, known)  # type: ignore[safe-super]  # the family next in line defines it

    @cached_property
    def _known_languages(self) -> frozenset[str]:
        return frozenset(self.languages)

    @cached_property
    def _stand_in(self) -> str:
        """English, or the first language of a backbone that does not know it."""
        return "en" if "en" in self._known_languages else self.languages[0]

    def encode(self, example: LabelledExample, max_source_tokens: int) -> tuple[EncodedExample, int]:
        """The input with its labels: of tagging one a position (``IGNORED`` where there is none), else one."""
        if self.head.by_word:
            ids, starts, cropped = self.encode_words(example, max_source_tokens)
            tags = [self.label(tag, example.where) for tag in example.tags]
            target = [IGNORED] * len(ids)
            for place, tag in zip(starts, tags, strict=False):  # words behind the limit have no place
                target[place] = tag
            return EncodedExample(ids, tuple(target), example.language), cropped
        source, cropped = self.encode_source(example, max_source_tokens)
        return EncodedExample(source, (self.label(example.targets[0], example.where),), example.language), cropped

    def can_encode_targets(self, kind: str) -> bool:
        """Whether ``kind`` is one with labels."""
        return kind != "generation"

    def encode_source(self, example: LabelledExample, max_tokens: int) -> tuple[tuple[int, ...], int]:
        """The input as token ids, and the number of tokens that were cut off.

        A pair is cut at the end of its longer text, or of both if they have the same length (``longest_first`` of the
        library's tokenizers). For tagging, words are encoded as in :meth:`encode_words`.
        """
        if self.head.by_word and example.words:
            ids, _, cropped = self.encode_words(example, max_tokens)
            return ids, cropped
        if example.pair is None:
            return super().encode_source(example, max_tokens)
        first, second = self.tokenize(example.source), self.tokenize(example.pair)
        room = self.source_limit(max_tokens) - len(self.pair([], [], example.language))
        if room < 1:
            raise BackboneError(f"{example.where}: no piece of a pair fits into {max_tokens} tokens")
        ours, theirs = fitted(len(first), len(second), room)
        cropped = len(first) - ours + len(second) - theirs
        return self.pair(first[:ours], second[:theirs], example.language), cropped

    def encode_input(self, example: LabelledExample, max_tokens: int) -> tuple[tuple[int, ...], list[int], int]:
        """The input as token ids, the positions of words for tagging (else none), and the number of tokens cut off."""
        if self.head.by_word:
            return self.encode_words(example, max_tokens)
        ids, cropped = self.encode_source(example, max_tokens)
        return ids, [], cropped

    def encode_words(self, example: LabelledExample, max_tokens: int) -> tuple[tuple[int, ...], list[int], int]:
        """The input as ids, the place of each word's first piece, and how many pieces were cut off.

        Words that do not fit within ``max_tokens`` as a whole have no place, and neither has any behind them. Raises
        BackboneError where the first does not fit.
        """
        room = self.source_limit(max_tokens) - len(self.source([], example.language))
        ids: list[int] = []
        starts: list[int] = []
        pieces = [self._word(word) for word in example.words]
        for found in pieces:
            if len(ids) + len(found) > room:
                break
            starts.append(self.leading_codes + len(ids))
            ids += found
        if not starts:
            raise BackboneError(
                f"{example.where}: its first word does not fit into {max_tokens} tokens, or it has none"
            )
        return self.source(ids, example.language), starts, sum(map(len, pieces)) - len(ids)

    def _word(self, word: str) -> list[int]:
        if word not in self._words:
            if len(self._words) >= _WORDS:
                self._words.clear()
            self._words[word] = self.tokenize(word) or [self.tokenizer.unk_token_id]
        return self._words[word]

    @cached_property
    def _words(self) -> dict[str, list[int]]:
        """The pieces of words that were met."""
        return {}

    def label(self, name: str, where: str) -> int:
        """The id of a label. Raises BackboneError for one that the head does not tell."""
        if name not in self.head.labels:
            raise BackboneError(f"{where}: {name!r} is none of the task's labels {', '.join(self.head.labels)}")
        return self.head.labels.index(name)

    # -- ids to tensors and back

    def collate(self, examples: Sequence[EncodedExample]) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask``: (batch, source); ``labels``: (batch, source) of tagging, (batch,) else."""
        labels = pad([e.target for e in examples], IGNORED)
        return {**self.collate_sources(examples), "labels": labels if self.head.by_word else labels[:, 0]}

    @torch.inference_mode()
    def logits(self, sources: Sequence[Sequence[int]], budget: int) -> list[Tensor]:
        """What the head says of each input, in order: (source, labels) of tagging, else (labels,), in fp32.

        ``budget`` is the number of tokens of a batch, padding included.
        """
        model, training = self.model, self.model.training
        device = next(model.parameters()).device
        found: dict[int, Tensor] = {}
        model.eval()
        lengths = [(len(source), 0) for source in sources]
        for batch in budget_batches(lengths, max([budget, *(length for length, _ in lengths)])):
            rows = self.collate_sources([EncodedExample(tuple(sources[i]), (), "") for i in batch])
            said = model(**{name: rows[name].to(device) for name in rows}).float().cpu()
            for place, i in enumerate(batch):
                found[i] = said[place, : len(sources[i])] if self.head.by_word else said[place]
        model.train(training)
        return [found[i] for i in range(len(sources))]

    def decoder_step(self, longest: int) -> NoReturn:
        """There is no decoder. Raises BackboneError."""
        raise BackboneError(f"{self.name} is an encoder under a head: it tells labels and generates no text")

    def reserve(self, source: int = 0, target: int = 0) -> NoReturn:
        """Virtual tokens would move the words. Raises BackboneError."""
        raise BackboneError(NO_PROMPTS)

    # -- parts of the model

    def is_fresh(self, name: str) -> bool:
        """Whether the parameter ``name`` is the head's."""
        return name.startswith("head.")

    @property
    def encoder(self) -> nn.Module:
        """What stands under the head."""
        return self.model.encoder

    def target_limit(self, max_tokens: int) -> int:
        """A label takes no positions of its own."""
        return 10**9

    def parts(self) -> Mapping[str, tuple[str, ...]]:
        """``encoder`` (its layers), ``embeddings`` and ``head``."""
        names = [name for name, _ in self.model.named_parameters()]
        layered = {match.string[: match.start(1) - 1] for match in map(_LAYER.search, names) if match}
        embeddings = {name.split(".weight")[0].rsplit(".", 1)[0] + "." for name in names if ".embeddings." in name}
        embeddings |= {name for name in names if "embed" in name}
        return {"encoder": tuple(sorted(layered)), "embeddings": tuple(sorted(embeddings)), "head": ("head.",)}

    def depth(self, name: str) -> int:
        """Layers between a parameter and the head, as in :meth:`Backbone.depth`."""
        layers: int = self.model.config.num_hidden_layers
        if found := _LAYER.search(name):
            return layers - int(found[1])
        return layers + 1 if "embed" in name else 0


def fitted(first: int, second: int, room: int) -> tuple[int, int]:
    """How many of ``first`` and ``second`` tokens stay in ``room`` where the longer text is cut first; where both are
    over half of it, each gets half, and the longer one (of two alike the second) what is left over."""
    if first + second <= room:
        return first, second
    half = room // 2
    short = min(first, second, half)
    return (room - short, short) if first > second else (short, room - short)


def as_classifier(backbone: Backbone) -> EncoderClassifier:
    """``backbone``, typed as one with a head. Raises BackboneError if it has none."""
    if not isinstance(backbone, EncoderClassifier):
        raise BackboneError(f"{backbone.name} generates text; it has no head to predict labels with")
    return backbone


@cache
def headed(family: type[Backbone]) -> type[EncoderClassifier]:
    """``family`` with its encoder under a head."""
    return type(f"{family.__name__}WithHead", (EncoderClassifier, family), {"__doc__": EncoderClassifier.__doc__})


def put_under_head(
    family: type[Backbone], model: TransformersModel, tokenizer: TransformersTokenizer, name: str, head: HeadSpec
) -> EncoderClassifier:
    """The encoder of a pretrained ``model`` of ``family``, or the one under another head, under a fresh head."""
    encoder = model.encoder if isinstance(model, EncoderWithHead) else model.get_encoder() if family.decodes else model
    return headed(family)(EncoderWithHead(encoder, model.config, head, not family.decodes), tokenizer, name)
