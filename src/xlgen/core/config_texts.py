"""The parts of a recipe that name text without labels, and texts with their translations."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from xlgen.core.config_base import LARGEST_SEED, MOST_TOKENS, Config


def rates_fault(rates: Sequence[float | None], task: str | None) -> str | None:
    """Why the ``rates`` of a mixture's unlabelled parts cannot be shares of one whole, or None.

    ``task`` names its labelled part, which takes the rest as parts without a rate do.
    """
    fixed = math.fsum(rate for rate in rates if rate is not None)
    rest = task or next((f"part {place} without a rate" for place, rate in enumerate(rates) if rate is None), None)
    if fixed > 1 + 1e-9 or (rest and fixed > 1 - 1e-9):
        left = f", and nothing is left for {rest}" if rest else ""
        return f"the rates of the unlabelled parts add up to {fixed:g}{left}; lower them"
    if rates and not rest and fixed < 1 - 1e-9:
        return f"the rates of all parts add up to {fixed:g}, not 1; leave out one of them, or use weights"
    return None


class Unlabelled(Config):
    """Unlabelled text with the self-supervised objective that makes examples of it."""

    objective: dict[str, Any]
    """``{name: span_corruption, noise_density: 0.15}``; see ``xlgen list objectives``."""
    corpus: dict[str, Any] = Field(default_factory=lambda: {"reader": "pocket"})
    """Where the text comes from: a reader and its options, as in a task's file."""
    languages: tuple[str, ...] = ()
    """Empty: every language of the corpus."""
    rate: float | None = Field(default=None, gt=0, le=1)
    """Share of what the stage trains on, counted as its ``training.mix_by`` says: 0.15 of the data in Chirkova et al.
    (2023), 0.01 in Vu et al. (2022)."""
    weight: float = Field(default=1.0, gt=0)
    """Parts without a ``rate`` share what the others leave in proportion to this; a labelled task weighs 1."""
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=True)
    """A language with n texts is drawn in proportion to n ** (1 / temperature): 1 as the texts come, larger ones more
    evenly (mT5 took 1 / 0.3), ``.inf`` all alike."""


class ParallelText(Config):
    """Texts with their translations."""

    corpus: dict[str, Any] = Field(default_factory=lambda: {"reader": "pocket"})
    """A reader and its options, as for unlabelled text. Rows of one id are parallel; without ids, those on one line."""
    split: str = "validation"
    field: str = "text"
    id: str = "id"
    sentences: int = Field(default=512, ge=1, le=100_000)
    """The number of texts of each language; 512 in Li and Murray (2023)."""
    seed: int | None = Field(default=None, ge=0, le=LARGEST_SEED)
    """The texts are drawn at random by this seed, the same ones in every language; null takes the first ones."""
    languages: tuple[str, ...] = ()
    """Empty: those that are evaluated. The first source language is what they are compared with."""
    max_tokens: int = Field(default=128, ge=2, le=MOST_TOKENS)


class TrackedText(ParallelText):
    """The texts of which XLRS is tracked: by default 512 random ones of the test texts, as in Li and Murray (2023,
    footnote 2). They are encoded as they are, without a task's template."""

    split: str = "test"
    seed: int | None = Field(default=0, ge=0, le=LARGEST_SEED)
