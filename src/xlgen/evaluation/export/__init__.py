"""Export to formats of other software, with a check that outputs are equal. One file for each format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.core.registry import Registry
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding

Requests = Sequence[tuple[Sequence[int], str]]
"""Encoded inputs: (token ids, target language) each."""


class Output(NamedTuple):
    """The output of a model for one request."""

    tokens: tuple[int, ...]
    """Token ids without the end; for a head, the id of the label at each position, or of the input's only label."""
    score: float = 0.0
    """With beam search, the sum of log probabilities divided by ``length ** length_penalty``."""


Decode = Callable[[Requests, int, int], list[Output]]
"""From requests, the maximum number of new tokens and the number of beams to an output for each request."""


class Format(ABC):
    """One export format."""

    options: ClassVar[tuple[str, ...]] = ()
    """The command's options that it takes."""
    beams: ClassVar[tuple[int, ...]] = (1, 4)
    """Beam sizes that outputs are compared with."""
    for_heads: ClassVar[type[Format] | None] = None
    """The format for checkpoints with a head. If None, they cannot be exported."""

    def __init__(self, quantization: str | None = None) -> None:
        self.quantization = quantization

    @abstractmethod
    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """Write the adapted model into ``folder``; ``backbone`` may be changed. Raises InputError."""

    @abstractmethod
    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """Load the model in ``folder``; ``backbone`` is the checkpoint's, for the layout of inputs."""

    def reference(self, backbone: Backbone) -> Decode:
        """Decoding with the checkpoint itself."""
        return generator(backbone)


formats: Registry[type[Format]] = Registry("export format", "xlgen.evaluation.export", "formats")
"""What a trained model can be exported to, for use without xlgen."""


def generator(backbone: Backbone, engine: Literal["xlgen", "transformers"] = "xlgen") -> Decode:
    """Decoding with a backbone."""

    def decode(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
        sources, languages = [ids for ids, _ in requests], [code for _, code in requests]
        found = hypotheses(backbone, sources, languages, Decoding(new_tokens, beams, engine=engine))
        return [Output(without_end(best[0].tokens, backbone), best[0].score) for best in found]

    return decode


def without_end(tokens: Sequence[int], backbone: Backbone) -> tuple[int, ...]:
    """Generated tokens up to the end."""
    end = backbone.tokenizer.eos_token_id
    found = list(tokens)
    return tuple(found[: found.index(end)] if end in found else found)
