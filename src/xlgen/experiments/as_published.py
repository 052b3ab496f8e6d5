"""The checkpoint that a paper would report for each language, selected from the evaluations of one of our runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from xlgen.experiments.criteria import best_step, criteria
from xlgen.experiments.published.schema import CheckpointRule, Paper, PublishedCell
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run

_SELECTIONS: Mapping[str, CheckpointRule] = {"en-dev": "source", "cos-sim": "xlrs", "tgt-dev": "target"}
"""The rows of Tables 7 and 8 of Li and Murray (2023)."""


@dataclass(frozen=True)
class Reported:
    """The steps of a run that a paper's rule selects."""

    rule: CheckpointRule
    """The rule that was applied; ``last`` if the run lacks the scores that the paper's rule needs."""
    steps: Mapping[str, int]
    """The selected step, by language."""
    candidates: int
    """The number of checkpoints to select from."""

    @property
    def description(self) -> str:
        """The rule in the same words as in the files of published numbers."""
        if self.candidates < 2:
            return "the last"
        return {
            "last": "the last",
            "source": "the best on the source language's development set",
            "target": f"the best of {self.candidates} for each target language",
            "xlrs": f"the lowest XLRS of {self.candidates} for each target language",
        }[self.rule]


def rule_of(cell: PublishedCell, paper: Paper) -> CheckpointRule:
    """The selection rule for the checkpoint of a published number; ``last`` if the paper does not state it."""
    chosen = _SELECTIONS.get(str(dict(cell.details).get("selection")))
    fact = paper.fact("checkpoint", cell.task)
    return chosen or (fact.rule if fact is not None else None) or "last"


def reported(results: Results, run: Run, rule: CheckpointRule, languages: Sequence[str]) -> Reported:
    """Select the step whose scores ``rule`` reports for each language.

    - ``last``: the last evaluation (Chirkova et al. 2023, Table 1).
    - ``source``: the best main metric on the source languages, one step for all (Li and Murray 2023, section 3.1).
    - ``target``: the best main metric on each language itself, including English (Vu et al. 2022, section 2.2.2).
    - ``xlrs``: the lowest similarity of each language to the pivot (Li and Murray 2023, section 6.2).

    Ties go to the latest step. An evaluation before training is not a candidate.
    """
    count, last = len(run.checkpoint_steps), dict.fromkeys(languages, run.last_step)
    if rule == "last":
        return Reported(rule, last, count)
    criterion = criteria.build(rule)
    if rule == "source":
        best = best_step(criterion, results, run)
        return Reported(rule, dict.fromkeys(languages, best.step), count) if _known(best.score) else _last(last, count)
    each = {code: best_step(criterion, results, run, [code]) for code in languages}
    known = {code: choice.step for code, choice in each.items() if _known(choice.score)}
    return Reported(rule, {**last, **known}, count) if known else _last(last, count)


def _last(steps: Mapping[str, int], count: int) -> Reported:
    return Reported("last", steps, count)


def _known(score: float) -> bool:
    return math.isfinite(score)
