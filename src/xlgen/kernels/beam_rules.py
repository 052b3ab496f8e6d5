"""Rules for the scores and the end of beam search: those of ``transformers``, and those of T5X.

============================  ================================  =======================================
rule                          ``transformers``                  ``t5x``
============================  ================================  =======================================
scores are divided by         ``length ** alpha``               ``((5 + length) / 6) ** alpha``
continuations that may end    those among the best K            those among the best 2K
at the token limit            open hypotheses count as          open hypotheses count only if none has
                              finished                          finished, with their undivided scores
an input is done when no      using the current length          using the maximum length
open hypothesis can win
============================  ================================  =======================================

Vu et al. (2022) decode with T5X (Roberts et al. 2022; ``t5x/decoding.py``, ``beam_search``). Lengths include the end
token.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from xlgen.core.config import BeamSearch

NEVER = -1e9
"""The score of an impossible hypothesis, lower than any real score."""


class BeamState(Protocol):
    """The tensors of R inputs with K beams each, which a step of beam search updates in place."""

    tokens: Tensor
    """The last token of each beam: (R, K)."""
    count: Tensor
    """Number of tokens generated so far: (R,)."""
    running: Tensor
    """Tokens of the open hypotheses: (R, K, longest)."""
    scores: Tensor
    """Sums of log-probabilities of the open hypotheses: (R, K)."""
    finished: Tensor
    """Tokens of the finished hypotheses: (R, K, longest)."""
    finished_scores: Tensor
    """Scores of the finished hypotheses, best first: (R, K)."""
    finished_count: Tensor
    """Lengths of the finished hypotheses, 0 for unused places: (R, K)."""
    done: Tensor
    """Whether an input needs no more steps: (R,)."""


@dataclass(frozen=True)
class BeamRules:
    """The rules for K beams of at most ``longest`` tokens."""

    divisors: Tensor
    """Divisors of the scores of finished hypotheses, by length: (longest + 1,)."""
    hopes: Tensor
    """Divisors of the scores of open hypotheses, by length, to decide whether one can still win: (longest + 1,)."""
    ending: int
    """The number of the best 2K continuations that may end."""
    limit_ends: bool
    """Whether reaching the token limit finishes a hypothesis."""

    def on(self, device: torch.device) -> BeamRules:
        """The same rules with their tensors on ``device``."""
        if self.divisors.device == device:
            return self
        return replace(self, divisors=self.divisors.to(device), hopes=self.hopes.to(device))


def beam_rules(name: BeamSearch, beams: int, longest: int, penalty: float) -> BeamRules:
    """The rules ``name``, with ``penalty`` as alpha."""
    lengths = torch.arange(longest + 1).float()
    if name == "t5x":
        divisors = ((5 + lengths) / 6) ** penalty
        # T5X includes its initial empty token in the maximum length.
        hopes = torch.full_like(divisors, float(((5 + longest + 1) / 6) ** penalty))
        return BeamRules(divisors, hopes, 2 * beams, limit_ends=False)
    divisors = lengths**penalty
    return BeamRules(divisors, divisors, beams, limit_ends=True)
