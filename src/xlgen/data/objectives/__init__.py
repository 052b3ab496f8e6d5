"""Self-supervised objectives: one file each. An objective makes one training example of one passage of text."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from pydantic import Field

from xlgen.config import Config
from xlgen.data.examples import EncodedExample
from xlgen.registry import Registry


@dataclass(frozen=True)
class Passage:
    """A piece of unlabelled text; ``translation`` is there only where the corpus is parallel."""

    text: str
    language: str
    translation: str | None = None
    translation_language: str | None = None
    sentences: tuple[str, ...] = ()
    """The sentences of ``text`` in order, where the corpus knows them."""


class Codec(Protocol):
    """What objectives and tasks need of a backbone: text to ids, and where its special tokens go."""

    def pieces(self, text: str) -> list[int]:
        """Token ids of ``text`` alone."""

    def source(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as an encoder input in ``language``."""

    def target(self, ids: Sequence[int], language: str) -> tuple[int, ...]:
        """``ids`` as a decoder target in ``language``."""

    def sentinels(self, count: int) -> list[int]:
        """``count`` sentinel ids in order (mT5's ``<extra_id_N>``). Raises InputError where there are fewer."""

    def mask(self) -> int:
        """The id of the mask token. Raises InputError where the backbone has none."""


class Lengths(Config):
    """What every objective can be told."""

    max_tokens: int = Field(default=512, ge=4)
    """Longer passages lose their end; where the backbone has fewer positions, more of it."""


class Objective(ABC):
    """Base of all objectives: ``Options`` is the config that a recipe gives under the objective's name."""

    Options: ClassVar[type[Lengths]]

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    def fits(self, passage: Passage) -> bool:
        """Whether an example can be made of ``passage``; those of which none can are left out."""
        return True

    @abstractmethod
    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example. All randomness comes from ``rng``, so that a resumed run sees the same."""


def encoded(codec: Codec, source: Sequence[int], target: Sequence[int], language: str) -> EncodedExample:
    """What is shown and what is asked for, both in ``language``, laid out as the backbone wants it."""
    return EncodedExample(codec.source(source, language), codec.target(target, language), language)


objectives: Registry[type[Objective]] = Registry("objective", "xlgen.data.objectives")
