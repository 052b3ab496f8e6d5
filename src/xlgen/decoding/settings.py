"""Settings and results of decoding."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from xlgen.core.config import BeamSearch, Sampling


@dataclass(frozen=True)
class Decoding:
    """Decoding settings. ``max_new_tokens`` counts the tokens after the forced language code."""

    max_new_tokens: int
    num_beams: int = 1
    length_penalty: float = 0.6
    beam_search: BeamSearch = "transformers"
    """The rules of beam search, including the form of the length penalty: see :mod:`xlgen.kernels.beam_rules`."""
    batch_tokens: int = 16_000
    """Maximum source tokens, and maximum tokens of hypotheses, in memory at a time."""
    engine: Literal["xlgen", "transformers"] = "xlgen"
    """The search implementation: xlgen's, or ``transformers`` as a reference."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Precision of weights and products; scores are summed in fp32."""
    sampling: Sampling | None = None
    """If set, draw ``num_beams`` samples for each input, ordered best first, in place of a search."""


@dataclass(frozen=True)
class Hypothesis:
    """One generated text, including leftovers of pretraining."""

    text: str
    score: float
    """Sum of log-probabilities divided by the length penalty; 0 for greedy decoding, which compares no hypotheses.

    For samples, these are the model's own log-probabilities, before temperature, top-k and top-p.
    """
    tokens: tuple[int, ...] = ()
    """The generated ids, including the end if it was generated."""
