"""The part of a recipe that names texts with their translations."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from xlgen.config_base import LARGEST_SEED, MOST_TOKENS, Config


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
