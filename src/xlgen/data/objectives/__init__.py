"""Self-supervised objectives: one file each. An objective makes one training example of one passage of text."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

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


class Objective(ABC):
    """Base of all objectives: ``Options`` is the config that a recipe gives under the objective's name."""

    Options: ClassVar[type[Config]]

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def make(self, passage: Passage, rng: random.Random, codec: Codec) -> EncodedExample:
        """One example. All randomness comes from ``rng``, so that a resumed run sees the same."""


objectives: Registry[type[Objective]] = Registry("objective", "xlgen.data.objectives")
