"""Search policies: one file each. A policy says which learning rates to try next, given what those tried so far gave.

A policy is a pure function of what was tried, so that a search that was killed goes on where it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from xlgen.config import Config, build
from xlgen.registry import Registry

Tried = Mapping[float, float]
"""Learning rates with their scores, more being better; minus infinity where training failed."""


class SearchPolicy(ABC):
    """Base of all policies."""

    Options: ClassVar[type[Config]] = Config

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The rates to try now with the adaptation ``method``, none of them tried; empty when the search has ended."""


policies: Registry[type[SearchPolicy]] = Registry("search policy", "xlgen.selection.policies")


def build_policy(config: str | Mapping[str, Any]) -> SearchPolicy:
    """The policy of ``{name: chirkova, start: [1e-3, 1e-4]}``, or of a name alone. Raises InputError."""
    return build(policies, config)


def best(tried: Tried) -> float:
    """The rate with the best score; of equals the lowest, which changes the model least."""
    return min(tried, key=lambda rate: (-tried[rate], rate))
