"""Elastic weight consolidation (Kirkpatrick et al. 2017), with importance measured on unlabelled text."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.core.config import Unlabelled
from xlgen.training.loop import token_loss
from xlgen.training.penalties import Penalty, PenaltyOptions, TextExamples, penalties


class EWCOptions(PenaltyOptions):
    """The strength of the penalty, and the text on which the importance of weights is measured."""

    weight: float = Field(default=1.0, gt=0)
    """Factor of the penalty."""
    text: Unlabelled
    """Unlabelled text with an objective that the backbone was pretrained with, in the languages to keep."""
    examples: int = Field(default=200, ge=1)
    """Number of examples over which the importance is averaged; each takes one forward and one backward pass."""


@penalties.register("ewc")
class EWC(Penalty[EWCOptions]):
    """Add ``weight / 2 * sum_i F_i (theta_i - theta*_i)^2`` to the loss.

    ``F_i`` is the mean square of the gradient of the examples' log-likelihood (the diagonal of the empirical Fisher
    information), and ``theta*`` are the parameters before training.
    """

    Options = EWCOptions

    def prepare(self, backbone: Backbone, text: TextExamples) -> None:
        """Copy the trained parameters and measure their importance."""
        self._trained = [p for p in backbone.model.parameters() if p.requires_grad]
        self._start = [p.detach().clone() for p in self._trained]
        self._fisher = [torch.zeros_like(p) for p in self._trained]
        was_training = backbone.model.training
        backbone.model.eval()
        examples = list(text(self.options.text, self.options.examples))
        for example in examples:
            inputs = {key: value.to(self._trained[0].device) for key, value in backbone.collate([example]).items()}
            gradients = torch.autograd.grad(token_loss(backbone.model, inputs), self._trained, allow_unused=True)
            for total, gradient in zip(self._fisher, gradients, strict=True):
                if gradient is not None:
                    total += gradient.square()
        for total in self._fisher:
            total /= len(examples)
        backbone.model.train(was_training)

    def __call__(self) -> Tensor:
        """The penalty: a scalar."""
        rows = zip(self._fisher, self._trained, self._start, strict=True)
        parts = [(f.to(p.device) * (p - s.to(p.device)).square()).sum() for f, p, s in rows]
        return self.options.weight / 2 * torch.stack(parts).sum()
