"""What a beam search counts as better, and when it stops: the rules of ``transformers``, and those of T5X.

============================  ================================  =======================================
rule                          ``transformers``                  ``t5x``
============================  ================================  =======================================
a score is divided by         ``length ** alpha``               ``((5 + length) / 6) ** alpha``
which continuations may end   those among the best K            those among the best 2K
at the limit of tokens        an open hypothesis counts as      open hypotheses count only where none
                              ended                             has ended, by their sum
an input is done when no      with its length now               with the largest length
open score can win, divided
============================  ================================  =======================================

T5X is what Vu et al. (2022) decode with (Roberts et al. 2022; ``t5x/decoding.py``, ``beam_search``). Lengths count the
end token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from xlgen.core.config import BeamSearch

NEVER = -1e9
"""The score of a hypothesis that cannot be: lower than any text's."""


class BeamState(Protocol):
    """The tensors of R inputs with K beams each that a step of beam search changes in place."""

    tokens: Tensor
    """The last token of each beam: (R, K)."""
    count: Tensor
    """Tokens generated so far: (R,)."""
    running: Tensor
    """Tokens of the open hypotheses: (R, K, longest)."""
    scores: Tensor
    """Sums of log-probabilities of the open hypotheses: (R, K)."""
    finished: Tensor
    """Tokens of the ended hypotheses: (R, K, longest)."""
    finished_scores: Tensor
    """Their scores, best first: (R, K)."""
    finished_count: Tensor
    """Their lengths, 0 where none has ended: (R, K)."""
    done: Tensor
    """Whether an input needs no more steps: (R,)."""


@dataclass(frozen=True)
class BeamRules:
    """The rules for K beams of at most ``longest`` tokens."""

    divisors: Tensor
    """By length, what the score of an ended hypothesis is divided by: (longest + 1,)."""
    hopes: Tensor
    """By length, what the score of an open one is divided by to see whether it can still win: (longest + 1,)."""
    ending: int
    """How many of the best 2K continuations may end."""
    limit_ends: bool
    """Whether the limit of tokens ends a hypothesis."""

    def on(self, device: torch.device) -> BeamRules:
        """The same rules with their tensors on ``device``."""
        if self.divisors.device == device:
            return self
        return replace(self, divisors=self.divisors.to(device), hopes=self.hopes.to(device))


def beam_rules(name: BeamSearch, beams: int, longest: int, penalty: float) -> BeamRules:
    """The rules called ``name``, with ``penalty`` as alpha."""
    lengths = torch.arange(longest + 1).float()
    if name == "t5x":
        divisors = ((5 + lengths) / 6) ** penalty
        # T5X counts its first, empty token among the most that there can be.
        hopes = torch.full_like(divisors, float(((5 + longest + 1) / 6) ** penalty))
        return BeamRules(divisors, hopes, 2 * beams, limit_ends=False)
    divisors = lengths**penalty
    return BeamRules(divisors, divisors, beams, limit_ends=True)
