"""Self-supervised objectives: one file each. An objective turns a passage of text into a training example."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Protocol

from pydantic import Field
from typing_extensions import TypeVar

from xlgen.core.plugins import Plugin, PluginOptions, PluginRegistry
from xlgen.core.registry import InputError
from xlgen.data.examples import EncodedExample


@dataclass(frozen=True)
class Passage:
    """A passage of unlabelled text; ``translation`` is set only if the corpus is parallel."""

    text: str
    language: str
    translation: str | None = None
    translation_language: str | None = None
    sentences: tuple[str, ...] = ()
    """The sentences of ``text`` in order, if the corpus has them."""
    chunk: int = 0
    """Index of the chunk of ``max_tokens`` tokens of the text."""


class Codec(Protocol):
    """The part of a backbone that objectives and tasks need: tokenization and the placing of special tokens."""

    def tokenize(self, text: str) -> list[int]:
        """Token ids of ``text``, without special tokens around it."""

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as an encoder input in ``language``."""

    def target(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as a decoder target in ``language``."""

    def sentinels(self, count: int) -> list[int]:
        """``count`` sentinel ids in order (mT5's ``<extra_id_N>``). Raises InputError if there are fewer."""

    def mask(self) -> int:
        """The id of the mask token. Raises InputError if the backbone has none."""


_FEWEST = 4
"""Minimum tokens of a chunk after the first."""


class ObjectiveOptions(PluginOptions):
    """Base of the options of objectives."""

    max_tokens: int = Field(default=512, ge=4)
    """Longer passages are truncated at the end, to fewer tokens if the backbone has fewer positions."""
    max_target_tokens: int | None = Field(default=None, ge=2)
    """Longer targets are truncated at the end. If None, no separate limit."""
    chunks: Literal["first", "all"] = "first"
    """Which parts of a passage of more than ``max_tokens`` are used: its first tokens, or all consecutive chunks of
    that length. A last chunk of fewer than four tokens is left out."""

    def build(self) -> Objective:
        """Make the objective with these options. Raises InputError for options that exclude each other."""
        return objectives.build(self)


ObjectiveOptionsT = TypeVar("ObjectiveOptionsT", bound=ObjectiveOptions, default=ObjectiveOptions, covariant=True)


class Objective(Plugin[ObjectiveOptionsT], ABC):
    """Base of all objectives."""

    Options: ClassVar[type[PluginOptions]] = ObjectiveOptions
    least_tokens: ClassVar[int] = 1
    """Minimum tokens of a passage for a non-empty target: 2 if a part of it is the input."""

    def __init__(self, options: ObjectiveOptionsT) -> None:
        super().__init__(options)
        if options.chunks == "all" and not self.takes_any_tokens:
            raise InputError("chunks: all splits sentences; objectives of whole sentences need chunks: first")

    @property
    def takes_any_tokens(self) -> bool:
        """Whether an example can be made of any span of a text's tokens, independently of sentences."""
        return True

    def chunks_of(self, passage: Passage, codec: Codec) -> Iterator[Passage]:
        """Yield the passage once for each of its chunks to use."""
        yield passage
        if self.options.chunks == "all":
            size = self.options.max_tokens
            for start in range(size, len(codec.tokenize(passage.text)) - _FEWEST + 1, size):
                yield replace(passage, chunk=start // size)

    def tokens(self, passage: Passage, codec: Codec) -> list[int]:
        """The ids of the passage's chunk."""
        start = passage.chunk * self.options.max_tokens
        return codec.tokenize(passage.text)[start : start + self.options.max_tokens]

    def encoded(self, codec: Codec, source: Sequence[int], target: Sequence[int], language: str) -> EncodedExample:
        """The example of a source and a truncated target, both in ``language``, with the backbone's special tokens."""
        return encoded(codec, source, target[: self.options.max_target_tokens], language)

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Whether ``passage``, truncated as in :meth:`make`, gives an example with a non-empty target.

        Other passages are left out.
        """
        return len(codec.tokenize(passage.text)) >= self.least_tokens

    @abstractmethod
    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """Make one example. All randomness comes from ``rng``, so that a resumed run makes the same example."""


def encoded(codec: Codec, source: Sequence[int], target: Sequence[int], language: str) -> EncodedExample:
    """The example of a source and a target, both in ``language``, with the backbone's special tokens."""
    return EncodedExample(codec.source(source, language), codec.target(target, language), language)


objectives: PluginRegistry[Objective] = PluginRegistry("objective", "xlgen.data.objectives", "objectives")
"""What is learned from unlabelled or parallel text: the key `unlabelled.objective`."""
