"""Splitting of texts into two parts, shared by the objectives that predict one part from the other."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


def random_split(ids: Sequence[T], rng: random.Random) -> tuple[Sequence[T], Sequence[T]]:
    """Prefix and rest, split at a uniformly random point; neither is empty if ``ids`` has two or more tokens."""
    point = rng.randint(1, len(ids) - 1) if len(ids) > 1 else 0
    return ids[:point], ids[point:]


def first_tokens(ids: Sequence[T], count: int) -> tuple[Sequence[T], Sequence[T]]:
    """The first ``count`` tokens and the rest, which has at least one token."""
    point = min(count, max(len(ids) - 1, 0))
    return ids[:point], ids[point:]
