"""Penalties against forgetting, which are added to the loss: one file each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import ClassVar

from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.core.config import Unlabelled
from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.data.examples import EncodedExample

TextExamples = Callable[[Unlabelled, int], Iterable[EncodedExample]]
"""A function of unlabelled text with its objective and a number of examples. It always returns the same examples."""


class PenaltyOptions(PluginOptions):
    """Base of the options of penalties."""

    def build(self) -> Penalty:
        """Make the penalty with these options."""
        return penalties.build(self)


class Penalty(Plugin[OptionsT], ABC):
    """Base of all penalties.

    ``prepare`` is called once, on the adapted backbone before a checkpoint is restored, so that a resumed run has the
    same reference weights. Then the object is called at every step.
    """

    Options: ClassVar[type[PluginOptions]] = PenaltyOptions

    @abstractmethod
    def prepare(self, backbone: Backbone, text: TextExamples) -> None:
        """Store the initial values of the trained parameters. ``text`` makes examples of unlabelled text."""

    @abstractmethod
    def __call__(self) -> Tensor:
        """The term added to the mean loss per target token: a scalar with gradients to the trained parameters."""


penalties: PluginRegistry[Penalty] = PluginRegistry("penalty", "xlgen.training.penalties", "penalties")
"""Terms of the loss that keep the model near the pretrained one: a stage's key `penalty`."""
