"""Decoding controls: one file each. A control constrains the outputs of any model.

Most controls are for the output language. Families with language codes already force the target's code; these controls
work for all families, including mT5, which has no codes. Other controls restrict outputs to a task's labels or tags.

Most controls give the logits processors of an input, with the protocol of ``transformers``: a processor from that
library works in a control, and a control's processors work in ``generate``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from transformers import LogitsProcessor

from xlgen.backbones.base import Backbone
from xlgen.core.languages import Language
from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.decoding.cleanup import clean
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.engine import Observer
from xlgen.decoding.logits import Processors
from xlgen.decoding.settings import Decoding, Hypothesis
from xlgen.metrics import lid


@dataclass(frozen=True)
class Request:
    """One input: its ids, and the target language."""

    source: tuple[int, ...]
    language: str


@dataclass
class Decoder:
    """A backbone with its decoding settings, as used by controls; it counts the inputs that it decodes."""

    backbone: Backbone
    decoding: Decoding
    data_dir: Path = Path()
    progress: Callable[[int], None] = lambda count: None
    observe: Observer | None = None
    """Receives the encoder states of every input."""
    outputs: tuple[str, ...] = ()
    """All possible outputs, if the task lists them."""
    generated: int = field(default=0, init=False)
    """Number of decoded inputs so far; an input that is retried counts twice."""

    def __call__(
        self, requests: Sequence[Request], count: int = 1, processors: Processors | None = None
    ) -> list[list[Hypothesis]]:
        """The ``count`` best hypotheses of each request, best first, with its logits processors."""
        self.generated += len(requests)
        sources, languages = [r.source for r in requests], [r.language for r in requests]
        return hypotheses(
            self.backbone,
            sources,
            languages,
            self.decoding,
            count,
            processors=processors,
            progress=self.progress,
            observe=self.observe,
        )

    def in_language(self, texts: Sequence[str], languages: Sequence[str], identifier: str) -> list[bool]:
        """Whether each raw text, after clean-up, is identified as its language; True for a language without a label."""
        cleaned = [clean(text, self.backbone.leftover_pattern) for text in texts]
        labels = [Language.parse(code).fasttext for code in languages]
        found = lid.load_identifier(identifier).identify(cleaned)
        rows = zip(cleaned, labels, found, strict=True)
        return [not label or (bool(text) and top == label) for text, label, (top, _) in rows]


class ControlOptions(PluginOptions):
    """Base of the options of controls."""

    def build(self) -> LanguageControl:
        """Make the control with these options."""
        return controls.build(self)


class LanguageControl(Plugin[OptionsT]):
    """Base of all controls. A control overrides :meth:`processors`, or :meth:`generate` to use several outputs."""

    Options: ClassVar[type[PluginOptions]] = ControlOptions

    def processors(self, decode: Decoder, request: Request) -> Sequence[LogitsProcessor]:
        """The logits processors of an input; by default none."""
        return ()

    def generate(self, decode: Decoder, requests: Sequence[Request]) -> list[str]:
        """Raw text for each request, in order."""

        def processors(language: str, source: tuple[int, ...]) -> Sequence[LogitsProcessor]:
            return self.processors(decode, Request(source, language))

        return [best[0].text for best in decode(requests, processors=processors)]


controls: PluginRegistry[LanguageControl] = PluginRegistry("language control", "xlgen.decoding.control", "controls")
"""Ways to make outputs come in the right language: the key `evaluation.control`."""
