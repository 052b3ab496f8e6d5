"""The parts of a recipe that name text without labels, and texts with their translations."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from xlgen.core.config_base import LARGEST_SEED, MOST_TOKENS, Config
from xlgen.core.config_plugins import ObjectiveField, ReaderField


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
    """Unlabelled text, and the self-supervised objective that makes training examples from it."""

    objective: ObjectiveField
    """The objective: ``{name: span_corruption, noise_density: 0.15}``; see ``xlgen list objectives``."""
    corpus: ReaderField = Field(default="pocket", validate_default=True)
    """The reader of the text, as in a task's file; see ``xlgen list readers``."""
    languages: tuple[str, ...] = ()
    """The languages to read. If empty, every language of the corpus."""
    rate: float | None = Field(default=None, gt=0, le=1)
    """This text's share of the stage's training data, counted as in ``training.mix_by``: 0.15 in Chirkova et al.
    (2023), 0.01 in Vu et al. (2022)."""
    weight: float = Field(default=1.0, gt=0)
    """Parts without a ``rate`` share the remaining data in proportion to their weights. A labelled task has weight
    1."""
    temperature: float = Field(default=1.0, gt=0, allow_inf_nan=True)
    """A language with n texts is sampled in proportion to n ** (1 / temperature): 1 follows the data, larger values are
    more even (mT5 used 1 / 0.3), and ``.inf`` gives all languages the same share."""


class ParallelText(Config):
    """Texts with their translations."""

    corpus: ReaderField = Field(default="pocket", validate_default=True)
    """The reader of the texts. Rows with the same id are parallel; without ids, rows on the same line."""
    split: str = "validation"
    """The split to read."""
    field: str = "text"
    """The field with the text."""
    id: str = "id"
    """The field that pairs translations."""
    sentences: int = Field(default=512, ge=1, le=100_000)
    """Number of texts per language; 512 in Li and Murray (2023)."""
    seed: int | None = Field(default=None, ge=0, le=LARGEST_SEED)
    """Seed of the random sample of texts, which is the same in every language. If None, the first texts are used."""
    languages: tuple[str, ...] = ()
    """The languages to compare with the first source language. If empty, the evaluated languages."""
    max_tokens: int = Field(default=128, ge=2, le=MOST_TOKENS)
    """Longer texts are truncated to this number of tokens."""


class TrackedText(ParallelText):
    """The texts of which XLRS is tracked: by default 512 random ones of the test texts, as in Li and Murray (2023,
    footnote 2). They are encoded as they are, without a task's template."""

    split: str = "test"
    """The split of the corpus."""
    seed: int | None = Field(default=0, ge=0, le=LARGEST_SEED)
