"""Weights for elsewhere: formats that other software opens, checked for equal outputs. One file a format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import EncoderClassifier
from xlgen.core.registry import Registry
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding

Requests = Sequence[tuple[Sequence[int], str]]
"""(ids of a source, target language) each."""


class Output(NamedTuple):
    """What a model generated for one request, or the labels that its head predicts."""

    tokens: tuple[int, ...]
    """The end is not among them; of a head the ids of labels, one a position or one for the whole input."""
    score: float = 0.0
    """With beams, the sum of log-probabilities over length ** length_penalty."""


Decode = Callable[[Requests, int, int], list[Output]]
"""Requests, the number of new tokens and of beams, to an output each."""


class Format(ABC):
    """One format of export."""

    options: ClassVar[tuple[str, ...]] = ()
    """Which of the command's options it takes."""
    heads: ClassVar[bool] = False
    """Whether it takes encoders under a head."""

    def __init__(self, quantization: str | None = None) -> None:
        self.quantization = quantization

    @abstractmethod
    def write(self, backbone: Backbone, method: Method, checkpoint: Path, folder: Path) -> None:
        """Write the adapted model into ``folder``; ``backbone`` may be changed. Raises InputError."""

    @abstractmethod
    def open(self, folder: Path, backbone: Backbone) -> Decode:
        """What is in ``folder``, ready to generate; ``backbone`` is the adapted one as it was, for its layout."""


formats: Registry[type[Format]] = Registry("export format", "xlgen.evaluation.export", "formats")


def generator(backbone: Backbone, engine: Literal["xlgen", "transformers"] = "xlgen") -> Decode:
    """Decoding with a backbone."""

    def decode(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
        sources, languages = [ids for ids, _ in requests], [code for _, code in requests]
        found = hypotheses(backbone, sources, languages, Decoding(new_tokens, beams, engine=engine))
        return [Output(without_end(best[0].tokens, backbone), best[0].score) for best in found]

    return decode


def outputs(backbone: Backbone) -> Decode:
    """What a backbone generates, or what its head predicts."""
    if not isinstance(backbone, EncoderClassifier):
        return generator(backbone)

    def predicted(requests: Requests, new_tokens: int, beams: int) -> list[Output]:
        if not requests:
            return []
        return [Output(labels_in(logits)) for logits in backbone.logits([ids for ids, _ in requests], 1)]

    return predicted


def labels_in(logits: Tensor) -> tuple[int, ...]:
    """The likeliest label at each position of (length, labels), or the one of (labels,)."""
    return tuple(logits.reshape(-1, logits.shape[-1]).argmax(-1).tolist())


def without_end(tokens: Sequence[int], backbone: Backbone) -> tuple[int, ...]:
    """Generated tokens up to the end."""
    end = backbone.tokenizer.eos_token_id
    found = list(tokens)
    return tuple(found[: found.index(end)] if end in found else found)
