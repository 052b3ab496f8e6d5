"""Criteria, one file each. A criterion scores one evaluation of a run, to select learning rates and checkpoints."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run

Targets = Sequence[str] | None

LANGUAGE_RATE = "correct_language_rate"


class CriterionOptions(PluginOptions):
    """Base of the options of criteria."""

    def build(self) -> Criterion:
        """Make the criterion with these options."""
        return criteria.build(self)


class Criterion(Plugin[OptionsT], ABC):
    """Base of all criteria."""

    Options: ClassVar[type[PluginOptions]] = CriterionOptions
    needs_target_labels: ClassVar[bool] = False
    """Whether it uses references in languages without training labels."""

    @abstractmethod
    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """Score the evaluation of ``run`` at ``step``; higher is better, minus infinity if a needed value is missing.

        ``targets`` are the languages to select for. If None, all languages without labels.
        """


criteria: PluginRegistry[Criterion] = PluginRegistry("criterion", "xlgen.experiments.criteria", "criteria")
"""How a search chooses between checkpoints and runs: a study's key `search.criterion`."""


@dataclass(frozen=True)
class Choice:
    """One evaluation of a run, and its score."""

    score: float
    step: int


def best_step(
    criterion: Criterion, results: Results, run: Run, targets: Targets = None, until: int | None = None
) -> Choice:
    """The evaluation of ``run`` with the best score for ``targets``; ties go to the last one.

    Evaluations after the step ``until`` are ignored, as are those before training, which have no checkpoint.
    """
    steps = [step for step in run.checkpoint_steps if until is None or step <= until]
    choices = [Choice(criterion.score(results, run, step, targets), step) for step in steps]
    return max(choices, key=lambda choice: (choice.score, choice.step), default=Choice(-math.inf, 0))


def unlabelled(results: Results, run: Run) -> list[str]:
    """The languages in which the run was evaluated but has no labels."""
    return [code for code in results.languages([run]) if code not in run.source_languages]


def over_targets(results: Results, run: Run, metric: str, step: int, targets: Targets = None) -> float:
    """The mean of a metric over the languages without labels; minus infinity if there are no values."""
    codes = unlabelled(results, run) if targets is None else targets
    return _known(mean(results.value(run, code, metric, step) for code in codes))


def over_sources(results: Results, run: Run, metric: str, step: int) -> float:
    """The mean of a metric over the languages with labels; minus infinity if there are no values."""
    return _known(mean(results.value(run, code, metric, step) for code in run.source_languages))


def _known(value: float | None) -> float:
    return -math.inf if value is None else value
