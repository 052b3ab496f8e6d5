"""What decoding is asked for, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from xlgen.core.config import BeamSearch, Sampling


@dataclass(frozen=True)
class Decoding:
    """How to decode. ``max_new_tokens`` counts what comes after the forced language code."""

    max_new_tokens: int
    num_beams: int = 1
    length_penalty: float = 0.6
    beam_search: BeamSearch = "transformers"
    """Whose rules beams follow, the length penalty's form among them: see :mod:`xlgen.kernels.beam_rules`."""
    batch_tokens: int = 16_000
    """Tokens of source and of hypotheses that are held at a time, each."""
    engine: Literal["xlgen", "transformers"] = "xlgen"
    """Whose search: our own, or the reference."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Of the weights, and so of products; scores are added up in fp32."""
    sampling: Sampling | None = None
    """Draw ``num_beams`` samples of each input rather than to search for the best; they come best first."""


@dataclass(frozen=True)
class Hypothesis:
    """One generated text; leftovers of pretraining are still in it."""

    text: str
    score: float
    """Sum of log-probabilities over the length penalty; 0 for greedy decoding, where nothing is compared.

    Of a sample, the model's own log-probabilities, whatever it was drawn from.
    """
    tokens: tuple[int, ...] = ()
    """The generated ids, the end included where it came."""


Allowed = Callable[[tuple[int, ...]], Tensor]
"""The ids written so far, behind what is forced, to what is added to the log-probabilities: (vocabulary,)."""

Bias = Callable[[str, Sequence[int]], Tensor]
"""(target language, source ids) to what is added to the log-probabilities: (vocabulary,)."""
