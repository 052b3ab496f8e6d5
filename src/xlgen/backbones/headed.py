"""A backbone whose encoder has a head: conversion of words, texts and pairs to ids, and of labels to ids and back."""

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
"""Maximum number of words whose tokens are cached."""


class EncoderClassifier(Backbone):
    """Base of families with a head on the encoder.

    In tagging, the tag of a word is at its first token (Devlin et al. 2019, section 5.3). Words are tokenized one by
    one, so that no token spans two words, even in scripts without spaces. A word without tokens (a lone variation
    selector) is the unknown token.
    """

    model: EncoderWithHead
    decodes = False
    has_language_codes = False  # there are no targets with codes
    peft_task_type = None  # peft's classes for heads require the library's models

    @property
    def head(self) -> HeadSpec:
        """The head's kind and labels."""
        about: HeadSpec = self.model.about
        return about

    # -- text to ids

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """The family's encoder input; a language that it does not know gets the code of English."""
        known = language if language in self._known_languages else self._stand_in
        return super().source(ids, known)  # type: ignore[safe-super]  # the family, next in the MRO, defines it

    @cached_property
    def _known_languages(self) -> frozenset[str]:
        return frozenset(self.languages)

    @cached_property
    def _stand_in(self) -> str:
        """English, or the backbone's first language if it does not know English."""
        return "en" if "en" in self._known_languages else self.languages[0]

    def encode(self, example: LabelledExample, max_source_tokens: int) -> tuple[EncodedExample, int]:
        """The input and its label; in tagging, a label for each position (``IGNORED`` if it has none)."""
        if self.head.by_word:
            ids, starts, cropped = self.encode_words(example, max_source_tokens)
            tags = [self.label(tag, example.where) for tag in example.tags]
            target = [IGNORED] * len(ids)
            for place, tag in zip(starts, tags, strict=False):  # words after the limit have no position
                target[place] = tag
            return EncodedExample(ids, tuple(target), example.language), cropped
        source, cropped = self.encode_source(example, max_source_tokens)
        return EncodedExample(source, (self.label(example.targets[0], example.where),), example.language), cropped

    def can_encode_targets(self, kind: str) -> bool:
        """Whether tasks of this ``kind`` have labels."""
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
            raise BackboneError(f"{example.where}: no token of a pair fits into {max_tokens} tokens")
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
        """The input as ids, the position of each word's first token, and the number of tokens that were cut off.

        Only words that fit into ``max_tokens`` as a whole are kept. Raises BackboneError if the first one does not fit.
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
        """Cached tokens of words."""
        return {}

    def label(self, name: str, where: str) -> int:
        """The id of a label. Raises BackboneError if the head does not have the label."""
        if name not in self.head.labels:
            raise BackboneError(f"{where}: {name!r} is none of the task's labels {', '.join(self.head.labels)}")
        return self.head.labels.index(name)

    # -- ids to tensors and back

    def collate(self, examples: Sequence[EncodedExample]) -> dict[str, Tensor]:
        """``input_ids``, ``attention_mask``: (batch, source); ``labels``: (batch, source) in tagging, else (batch,)."""
        labels = pad([e.target for e in examples], IGNORED)
        return {**self.collate_sources(examples), "labels": labels if self.head.by_word else labels[:, 0]}

    @torch.inference_mode()
    def logits(self, sources: Sequence[Sequence[int]], budget: int) -> list[Tensor]:
        """The head's logits for each input, in order, in fp32: (source, labels) in tagging, else (labels,).

        ``budget`` is the maximum number of tokens in a batch, including padding.
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
        raise BackboneError(f"{self.name} is an encoder with a head: it predicts labels and generates no text")

    def reserve(self, source: int = 0, target: int = 0) -> NoReturn:
        """Virtual tokens would shift the positions of words. Raises BackboneError."""
        raise BackboneError(NO_PROMPTS)

    # -- parts of the model

    def is_fresh(self, name: str) -> bool:
        """Whether the parameter ``name`` belongs to the head."""
        return name.startswith("head.")

    @property
    def encoder(self) -> nn.Module:
        """The encoder without the head."""
        return self.model.encoder

    def target_limit(self, max_tokens: int) -> int:
        """Unlimited: labels take no positions."""
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
    """The numbers of ``first`` and ``second`` tokens to keep in ``room`` if the longer text is cut first.

    If both texts are longer than half of ``room``, each gets half, and the longer one (the second one if they are
    equal) gets the remainder.
    """
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
    """The class of ``family`` with a head on its encoder."""
    return type(f"{family.__name__}WithHead", (EncoderClassifier, family), {"__doc__": EncoderClassifier.__doc__})


def put_under_head(
    family: type[Backbone], model: TransformersModel, tokenizer: TransformersTokenizer, name: str, head: HeadSpec
) -> EncoderClassifier:
    """The encoder of a pretrained ``model`` of ``family`` with a new head in place of its decoder or former head."""
    encoder = model.encoder if isinstance(model, EncoderWithHead) else model.get_encoder() if family.decodes else model
    return headed(family)(EncoderWithHead(encoder, model.config, head, not family.decodes), tokenizer, name)
