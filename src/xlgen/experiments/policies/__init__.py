"""Search policies, one file each. A policy proposes the next learning rates from the outcomes of the previous ones.

A policy is a pure function of these outcomes, so a killed search can resume.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry

Tried = Mapping[float, float]
"""Scores by learning rate. Higher is better; minus infinity if training failed."""


@dataclass(frozen=True)
class Trial:
    """A learning rate, and how far to train with it."""

    rate: float
    share: float = 1.0
    """The share of the training steps, in (0, 1]. A trial resumes where an earlier one with this rate stopped."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a trial."""

    score: float
    """Higher is better; minus infinity if training failed."""
    language_rate: float | None = None
    """Percentage of outputs in the right language, mean over the languages without labels; None if unknown."""


History = Mapping[Trial, Outcome]


class PolicyOptions(PluginOptions):
    """Base of the options of search policies."""

    def build(self) -> SearchPolicy:
        """Make the policy with these options."""
        return policies.build(self)


class SearchPolicy(Plugin[OptionsT], ABC):
    """Base of all policies."""

    Options: ClassVar[type[PluginOptions]] = PolicyOptions
    stops_early: ClassVar[bool] = False
    """Whether trials may end before the last step; recipes then need evaluations during training."""

    @abstractmethod
    def trials(self, history: History, method: str) -> list[Trial]:
        """The new trials to run next with the adaptation ``method``; empty when the search has ended."""


class WholeRuns(SearchPolicy[OptionsT]):
    """Base of policies that stop no run early, and use only rates and scores."""

    @abstractmethod
    def proposals(self, tried: Tried, method: str) -> list[float]:
        """The new rates to try next with the adaptation ``method``; empty when the search has ended."""

    def trials(self, history: History, method: str) -> list[Trial]:
        """One trial per proposal, to the last step."""
        return [Trial(rate) for rate in self.proposals(whole(history), method)]


policies: PluginRegistry[SearchPolicy] = PluginRegistry("search policy", "xlgen.experiments.policies", "policies")
"""Which learning rates a search tries, and which runs it ends early: a study's key `search.policy`."""


def whole(history: History) -> dict[float, float]:
    """The rates that were trained to the last step, with their scores."""
    return {trial.rate: outcome.score for trial, outcome in history.items() if trial.share == 1.0}


def best(tried: Tried) -> float:
    """The rate with the best score; ties go to the lowest, which changes the model least."""
    return min(tried, key=lambda rate: (-tried[rate], rate))
