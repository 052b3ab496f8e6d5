"""Self-supervised objectives: one file each. An objective makes one training example of one passage of text."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from xlgen.core.config import Config
from xlgen.core.registry import InputError, Registry
from xlgen.data.examples import EncodedExample


@dataclass(frozen=True)
class Passage:
    """A piece of unlabelled text; ``translation`` is there only where the corpus is parallel."""

    text: str
    language: str
    translation: str | None = None
    translation_language: str | None = None
    sentences: tuple[str, ...] = ()
    """The sentences of ``text`` in order, where the corpus knows them."""
    chunk: int = 0
    """Which chunk of ``max_tokens`` of the text is meant."""


class Codec(Protocol):
    """What objectives and tasks need of a backbone: text to ids, and where its special tokens go."""

    def tokenize(self, text: str) -> list[int]:
        """Token ids of ``text`` alone."""

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as an encoder input in ``language``."""

    def target(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as a decoder target in ``language``."""

    def sentinels(self, count: int) -> list[int]:
        """``count`` sentinel ids in order (mT5's ``<extra_id_N>``). Raises InputError where there are fewer."""

    def mask(self) -> int:
        """The id of the mask token. Raises InputError where the backbone has none."""


_FEWEST = 4
"""Tokens of a chunk after the first."""


class ObjectiveLengths(Config):
    """What every objective can be told."""

    max_tokens: int = Field(default=512, ge=4)
    """Longer passages lose their end; where the backbone has fewer positions, more of it."""
    max_target_tokens: int | None = Field(default=None, ge=2)
    """Longer targets lose their end; None: no limit of their own."""
    chunks: Literal["first", "all"] = "first"
    """What examples are made of in a passage of more than ``max_tokens``: its first tokens, or one after another all of
    its chunks of that length. A last chunk of fewer than four tokens is left out."""


class Objective(ABC):
    """Base of all objectives: ``Options`` is the config that a recipe gives under the objective's name."""

    Options: ClassVar[type[ObjectiveLengths]]
    least_tokens: ClassVar[int] = 1
    """Of a passage, so that the target is not empty: 2 where a part of it is shown."""

    def __init__(self, options: Config) -> None:
        self.options: Any = options
        if getattr(options, "chunks", "first") == "all" and not self.takes_any_tokens:
            raise InputError("chunks: all cuts sentences in two; objectives of whole sentences take the first tokens")

    @property
    def takes_any_tokens(self) -> bool:
        """Whether an example can be made of any stretch of a text's tokens, wherever sentences begin."""
        return True

    def chunks_of(self, passage: Passage, codec: Codec) -> Iterator[Passage]:
        """The passage, once for each of its chunks that examples are made of."""
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
        """What is shown and what is asked for, both in ``language``, laid out as the backbone wants it."""
        return encoded(codec, source, target[: self.options.max_target_tokens], language)

    def fits(self, passage: Passage, codec: Codec) -> bool:
        """Whether an example can be made of ``passage`` as :meth:`make` cuts it, with something to predict; passages
        of which none can are left out."""
        return len(codec.tokenize(passage.text)) >= self.least_tokens

    @abstractmethod
    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example. All randomness comes from ``rng``, so that a resumed run sees the same."""


def encoded(codec: Codec, source: Sequence[int], target: Sequence[int], language: str) -> EncodedExample:
    """What is shown and what is asked for, both in ``language``, laid out as the backbone wants it."""
    return EncodedExample(codec.source(source, language), codec.target(target, language), language)


objectives: Registry[type[Objective]] = Registry("objective", "xlgen.data.objectives")
