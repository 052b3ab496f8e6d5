"""Penalties against forgetting, added to the loss: one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.core.config import Config, Unlabelled, build
from xlgen.core.registry import Registry
from xlgen.data.examples import EncodedExample

TextExamples = Callable[[Unlabelled, int], Iterable[EncodedExample]]
"""(unlabelled text with its objective, how many) to so many examples, the same at every call."""


class Penalty(ABC):
    """Base of all penalties.

    ``prepare`` is called once, on the adapted backbone before any checkpoint is put back, so that a resumed run
    measures from the same start; the object is then called at every step.
    """

    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def prepare(self, backbone: Backbone, text: TextExamples) -> None:
        """Remember where the trained parameters start. ``text`` makes examples of unlabelled text."""

    @abstractmethod
    def __call__(self) -> Tensor:
        """What is added to the mean loss per target token: a scalar, with gradients to the trained parameters."""


penalties: Registry[type[Penalty]] = Registry("penalty", "xlgen.training.penalties")


def build_penalty(config: Mapping[str, Any]) -> Penalty:
    """The penalty of ``{name: l2_sp, weight: 0.01}``. Raises InputError."""
    return build(penalties, config)
