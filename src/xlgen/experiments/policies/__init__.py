"""Search policies: one file each. A policy says which learning rates to try next, given what those tried so far gave.

A policy is a pure function of what was tried, so that a search that was killed goes on where it was.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from xlgen.core.config import Config, build
from xlgen.core.registry import Registry

Tried = Mapping[float, float]
"""Learning rates with their scores, more being better; minus infinity where training failed."""


@dataclass(frozen=True)
class Trial:
    """A learning rate, and how far to train with it."""

    rate: float
    share: float = 1.0
    """Of the training's steps, in (0, 1]. A trial that stopped earlier goes on from there."""


@dataclass(frozen=True)
class Outcome:
    """What a trial gave."""

    score: float
    """More is better; minus infinity where training failed."""
    language_rate: float | None = None
    """Outputs in the right language, mean over the languages without labels, in percent; None where unknown."""


History = Mapping[Trial, Outcome]


class SearchPolicy(ABC):
    """Base of all policies."""

    Options: ClassVar[type[Config]] = Config
    stops_early: ClassVar[bool] = False
    """Whether trials end before the last step; recipes then need evaluations on the way."""

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def trials(self, history: History, method: str) -> list[Trial]:
        """The trials to make now with the adaptation ``method``, none of them made; empty when the search has ended."""


class WholeRuns(SearchPolicy):
    """A policy that stops no run early, and need know of rates and scores only."""

    @abstractmethod
    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The rates to try now with the adaptation ``method``, none of them tried; empty when the search has ended."""

    def trials(self, history: History, method: str) -> list[Trial]:
        """Each proposal, to the last step."""
        return [Trial(rate) for rate in self.proposals(whole(history), method)]


policies: Registry[type[SearchPolicy]] = Registry("search policy", "xlgen.experiments.policies")


def build_policy(config: str | Mapping[str, Any]) -> SearchPolicy:
    """The policy of ``{name: chirkova, start: [1e-3, 1e-4]}``, or of a name alone. Raises InputError."""
    return build(policies, config)


def whole(history: History) -> dict[float, float]:
    """The rates that were trained with to the last step, with their scores."""
    return {trial.rate: outcome.score for trial, outcome in history.items() if trial.share == 1.0}


def best(tried: Tried) -> float:
    """The rate with the best score; of equals the lowest, which changes the model least."""
    return min(tried, key=lambda rate: (-tried[rate], rate))
