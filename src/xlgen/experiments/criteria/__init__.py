"""Criteria: one file each. A criterion says how good one evaluation of a run is, to choose rates and checkpoints by."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from xlgen.core.config import Config, build
from xlgen.core.registry import Registry
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run

Targets = Sequence[str] | None

LANGUAGE_RATE = "correct_language_rate"


class Criterion(ABC):
    """Base of all criteria."""

    Options: ClassVar[type[Config]] = Config
    needs_target_labels: ClassVar[bool] = False
    """Whether it looks at references in languages that have no training labels."""

    def __init__(self, options: Config) -> None:
        self.options: Any = options

    @abstractmethod
    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """More is better; minus infinity where the evaluation lacks what is asked.

        ``targets`` are the languages that a choice is for; None: all without labels.
        """


criteria: Registry[type[Criterion]] = Registry("criterion", "xlgen.experiments.criteria")


def build_criterion(config: str | Mapping[str, Any]) -> Criterion:
    """The criterion of ``{name: label-free, threshold: 95}``, or of a name alone. Raises InputError."""
    return build(criteria, config)


@dataclass(frozen=True)
class Choice:
    """One evaluation of a run, and its score."""

    score: float
    step: int


def best_step(
    criterion: Criterion, results: Results, run: Run, targets: Targets = None, until: int | None = None
) -> Choice:
    """The evaluation of ``run`` that the criterion likes best, of equals the last, for ``targets``.

    ``until``: no later one than at this step. An evaluation before training is no choice, for it has no checkpoint.
    """
    steps = [step for step in run.checkpoint_steps if until is None or step <= until]
    choices = [Choice(criterion.score(results, run, step, targets), step) for step in steps]
    return max(choices, key=lambda choice: (choice.score, choice.step), default=Choice(-math.inf, 0))


def unlabelled(results: Results, run: Run) -> list[str]:
    """The languages that the run was evaluated in and has no labels in."""
    return [code for code in results.languages([run]) if code not in run.source_languages]


def over_targets(results: Results, run: Run, metric: str, step: int, targets: Targets = None) -> float:
    """The mean of a figure over languages without labels, minus infinity where there is none."""
    codes = unlabelled(results, run) if targets is None else targets
    return _known(mean(results.value(run, code, metric, step) for code in codes))


def over_sources(results: Results, run: Run, metric: str, step: int) -> float:
    """The mean of a figure over the languages with labels, minus infinity where there is none."""
    return _known(mean(results.value(run, code, metric, step) for code in run.source_languages))


def _known(value: float | None) -> float:
    return -math.inf if value is None else value
