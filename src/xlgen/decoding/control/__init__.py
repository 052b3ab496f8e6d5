"""Control of what is written while decoding: one file each. A control is an algorithm over the decoder, for any method.

Most are of the language. Families with language codes force the target's by themselves; what is here works for all of
them, and for mT5, which has none. One is of the labels that a task's outputs may be.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from xlgen.backbones.base import Backbone
from xlgen.core.config import Config, build
from xlgen.core.languages import Language
from xlgen.core.registry import Registry
from xlgen.decoding.cleanup import clean
from xlgen.decoding.decode import Observer, hypotheses
from xlgen.decoding.settings import Allowed, Bias, Decoding, Hypothesis
from xlgen.metrics import lid


@dataclass(frozen=True)
class Request:
    """One input: its ids, and the language that the output should have."""

    source: tuple[int, ...]
    language: str


@dataclass
class Decoder:
    """A backbone with its decoding settings, as controls see it; it counts what they ask of it."""

    backbone: Backbone
    decoding: Decoding
    data_dir: Path = Path()
    progress: Callable[[int], None] = lambda count: None
    observe: Observer | None = None
    """Is shown the encoder's states of every input."""
    outputs: tuple[str, ...] = ()
    """All texts that an output may be, where the task lists them."""
    generated: int = field(default=0, init=False)
    """Inputs generated for so far; one that is tried twice counts twice."""

    def __call__(
        self, requests: Sequence[Request], count: int = 1, bias: Bias | None = None, allowed: Allowed | None = None
    ) -> list[list[Hypothesis]]:
        """The ``count`` best hypotheses of each request, best first."""
        self.generated += len(requests)
        sources, languages = [r.source for r in requests], [r.language for r in requests]
        shown = self.progress, self.observe
        return hypotheses(self.backbone, sources, languages, self.decoding, count, bias, *shown, allowed)

    def in_language(self, texts: Sequence[str], languages: Sequence[str], identifier: str) -> list[bool]:
        """Whether each raw text, once cleaned, is identified as its language; a language without a label always is."""
        cleaned = [clean(text, self.backbone.leftover_pattern) for text in texts]
        labels = [Language.parse(code).fasttext for code in languages]
        found = lid.load_identifier(identifier).identify(cleaned)
        rows = zip(cleaned, labels, found, strict=True)
        return [not label or (bool(text) and top == label) for text, label, (top, _) in rows]


class LanguageControl(ABC):
    """Base of all controls."""

    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """Raw text for each request, in order."""


controls: Registry[type[LanguageControl]] = Registry("language control", "xlgen.decoding.control")


def build_control(config: str | Mapping[str, Any]) -> LanguageControl:
    """The control of ``{name: rerank, candidates: 4}``, or of a name alone. Raises InputError."""
    return build(controls, config)
