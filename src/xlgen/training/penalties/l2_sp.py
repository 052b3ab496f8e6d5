"""L2-SP (Li et al. 2018): an L2 penalty on the distance from the pretrained weights, in place of that from zero."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor

from xlgen.backbones.base import Backbone
from xlgen.training.penalties import Penalty, PenaltyOptions, TextExamples, penalties


class L2SPOptions(PenaltyOptions):
    """The strength of the penalty."""

    weight: float = Field(default=0.01, gt=0)
    """Factor of the penalty."""


@penalties.register("l2_sp")
class L2SP(Penalty[L2SPOptions]):
    """Add ``weight / 2 * sum_i (theta_i - theta*_i)^2`` to the loss.

    The sum is over the trained parameters, and ``theta*`` are their values before training.
    """

    Options = L2SPOptions

    def prepare(self, backbone: Backbone, text: TextExamples) -> None:
        """Copy the trained parameters."""
        self._trained = [p for p in backbone.model.parameters() if p.requires_grad]
        self._start = [p.detach().clone() for p in self._trained]

    def __call__(self) -> Tensor:
        """The penalty: a scalar."""
        pairs = zip(self._trained, self._start, strict=True)
        return self.options.weight / 2 * torch.stack([(p - s.to(p.device)).square().sum() for p, s in pairs]).sum()
