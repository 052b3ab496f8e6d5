"""The choice of each criterion, and its regret relative to the choice by target labels."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from xlgen.core.json_types import JsonMapping
from xlgen.experiments.criteria import Criterion, best_step, criteria, over_targets, unlabelled
from xlgen.runs.rows import Results, mean
from xlgen.runs.runs import Run

ORACLE = "target"
"""The criterion that uses target labels. Regret is relative to it."""
CRITERIA: Mapping[str, JsonMapping] = {
    "source": {"name": "source"},
    "xlrs": {"name": "xlrs"},
    "language-rate": {"name": "language-rate"},
    "label-free": {"name": "label-free"},
    "label-free, xlrs": {"name": "label-free", "by": "xlrs"},
    ORACLE: {"name": ORACLE},
}
"""The criteria to compare, in table order."""


@dataclass(frozen=True)
class Chosen:
    """The choice of a criterion, and its value: the task's main metric in the languages without labels."""

    criterion: str
    runs: Mapping[str, Run]
    """The chosen run, by language."""
    steps: Mapping[str, int]
    values: Mapping[str, float | None]
    regret: float | None
    """The mean value of the choice by target labels minus that of this choice."""

    @property
    def mean(self) -> float | None:
        """The mean value over the languages."""
        return mean(self.values.values())


def searches(results: Results) -> list[list[Run]]:
    """Groups of two or more runs that differ only in the learning rate, lowest rate first."""
    groups: dict[str, list[Run]] = {}
    for run in results.runs:
        if run.learning_rate is not None and run.figures:
            groups.setdefault(_but_for_the_rate(run), []).append(run)
    several = [group for group in groups.values() if len({run.learning_rate for run in group}) > 1]
    return [sorted(group, key=lambda run: run.learning_rate or 0.0) for group in several]


def _but_for_the_rate(run: Run) -> str:
    recipe = json.loads(json.dumps(run.recipe))
    recipe.pop("name", None)
    recipe["stages"][-1].get("training", {}).pop("learning_rate", None)
    return json.dumps(recipe, sort_keys=True)


def rate_choices(results: Results, group: Sequence[Run], judge: Results | None = None) -> list[Chosen]:
    """The run of a search, and its checkpoint, that each criterion chooses for all languages together.

    ``judge`` has the results that choices are scored on; if None, those that they are made on.
    """
    chosen = []
    for name, criterion in _applicable(results, group):
        best = max(group, key=lambda run: best_step(criterion, results, run).score)
        step = best_step(criterion, results, best).step
        codes = unlabelled(results, best)
        values = {code: (judge or results).value(best, code, best.main_metric, step) for code in codes}
        chosen.append(Chosen(name, dict.fromkeys(codes, best), dict.fromkeys(codes, step), values, None))
    return _with_regret(chosen)


def checkpoint_choices(results: Results, run: Run, judge: Results | None = None) -> list[Chosen]:
    """The checkpoint of ``run`` that each criterion chooses for each language (Li and Murray 2023, Tables 7 and 8).

    ``judge`` has the results that choices are scored on; if None, those that they are made on.
    """
    codes = unlabelled(results, run)
    chosen = []
    for name, criterion in _applicable(results, [run]):
        overall = best_step(criterion, results, run)
        by_code = {code: best_step(criterion, results, run, [code]) for code in codes}
        # If a criterion has no score for a single language, use its choice for all languages.
        steps = {code: (own if math.isfinite(own.score) else overall).step for code, own in by_code.items()}
        values = {code: (judge or results).value(run, code, run.main_metric, steps[code]) for code in codes}
        chosen.append(Chosen(name, dict.fromkeys(codes, run), steps, values, None))
    return _with_regret(chosen)


def worth(results: Results, run: Run, step: int) -> float | None:
    """The mean of the task's main metric over the languages without labels."""
    found = over_targets(results, run, run.main_metric, step)
    return None if math.isinf(found) else found


def _applicable(results: Results, runs: Sequence[Run]) -> list[tuple[str, Criterion]]:
    """The criteria that have a score for every evaluation of ``runs``."""
    found = [(name, criteria.build(config)) for name, config in CRITERIA.items()]
    steps = [(run, step) for run in runs for step in run.checkpoint_steps]
    return [
        (name, criterion)
        for name, criterion in found
        if all(math.isfinite(criterion.score(results, run, step)) for run, step in steps)
    ]


def _with_regret(chosen: list[Chosen]) -> list[Chosen]:
    oracle = next((each.mean for each in chosen if each.criterion == ORACLE), None)
    return [
        replace(each, regret=None if oracle is None or each.mean is None else oracle - each.mean) for each in chosen
    ]
