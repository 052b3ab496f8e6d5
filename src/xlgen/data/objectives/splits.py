"""Texts in two parts: shared by the objectives that show one part and ask for the other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def random_split(ids: Sequence[T], rng: random.Random) -> tuple[Sequence[T], Sequence[T]]:
    """Prefix and rest, cut at a point drawn uniformly; neither is empty, unless ``ids`` has fewer than two."""
    point = rng.randint(1, len(ids) - 1) if len(ids) > 1 else 0
    return ids[:point], ids[point:]


def first_tokens(ids: Sequence[T], count: int) -> tuple[Sequence[T], Sequence[T]]:
    """The first ``count`` and the rest, of which at least one is left."""
    point = min(count, max(len(ids) - 1, 0))
    return ids[:point], ids[point:]
