"""From labels in one language to a checkpoint for all, without a label in the others.

Method and learning rate are searched and the checkpoint is chosen by what can be known without target labels: how good
outputs are in the source languages, and whether they are in the right language elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from xlgen.core.config import Recipe
from xlgen.core.languages import Language
from xlgen.core.registry import InputError, RunEndedError
from xlgen.experiments.budget import Budget
from xlgen.experiments.criteria import Choice, best_step, build_criterion
from xlgen.experiments.execute import failures, status
from xlgen.experiments.plan import PlannedRun, SearchConfig, Study
from xlgen.experiments.search import search
from xlgen.runs.event_log import write_atomically
from xlgen.runs.files import CHOSEN
from xlgen.runs.rows import Results, load_results
from xlgen.runs.runs import Run

METHODS: tuple[dict[str, Any], ...] = ({"method": "full"}, {"method": "adapters"})
"""What is tried: the two that Chirkova et al. (2023) found best over backbones and tasks."""
_EVALUATIONS = 5


class UndecidedError(RunEndedError):
    """A run of the search failed, so that the best one is not known."""


@dataclass(frozen=True)
class Decision:
    """What was taken, of what."""

    run: Run
    choice: Choice
    criterion: dict[str, Any]
    results: Results
    left_out: tuple[str, ...]
    """Runs that there was no time for."""
    failed: tuple[str, ...]
    """Runs that failed, each with the reason."""


def auto(
    recipe: Recipe,
    out: Path,
    workers: int,
    console: Console,
    hours: float | None = None,
    threshold: float = 95.0,
    methods: Sequence[dict[str, Any]] = METHODS,
) -> Decision:
    """Search, choose, and leave the checkpoint in ``out/chosen``. Run again, it goes on where it was.

    ``threshold`` is the correct-language rate that is asked for, in percent. Raises InputError for a recipe without a
    task, or where no run was scored; UndecidedError where a run failed, other than by diverging.
    """
    study = plan(recipe, threshold, methods)
    budget = Budget(hours)
    failed = search(study, out, workers, console, budget)
    if not any((out / "runs").glob("*/metrics.jsonl")):
        why = "; ".join(failures(failed)) or f"there is no time for one in {hours:g} hours"
        raise InputError(f"no run came to its end: {why}")
    if lost := {name: text for name, text in failed.items() if status(out / "runs" / name) != "diverged"}:
        raise UndecidedError(
            f"no decision: {len(lost)} of the runs failed, and what they would have given is not known:\n  "
            + "\n  ".join(failures(lost))
            + "\nThe same command tries them again; what is done stays done"
        )
    results = load_results(out)
    assert study.search is not None
    run, choice = choose(results, study.search.criterion)
    decision = Decision(run, choice, study.search.criterion, results, tuple(budget.left_out), tuple(failures(failed)))
    take(decision, out)
    return decision


def plan(recipe: Recipe, threshold: float, methods: Sequence[dict[str, Any]]) -> Study:
    """The search: each method on the recipe, its outputs outside of the source languages judged without references."""
    *before, last = recipe.stages
    if last.task is None or recipe.baseline is not None:
        raise InputError("--auto needs a recipe whose last stage trains on a task")
    every = last.evaluation.every or max(1, last.training.steps // _EVALUATIONS)
    asked = last.evaluation.languages
    if asked:
        # How well the task is learned is seen in the source languages alone.
        asked = tuple(dict.fromkeys(Language.parse(code).code for code in (*last.source_languages, *asked)))
    evaluation = last.evaluation.model_copy(update={"references": "source", "every": every, "languages": asked})
    # Whichever checkpoint is chosen must still be there.
    training = last.training.model_copy(update={"save_every": None, "keep_checkpoints": None})
    # What differs only in whether a default is written is one method.
    found: dict[str, dict[str, Any]] = {}
    for each in (last.adaptation, *methods):
        found.setdefault(_whole(each), each)
    tried = list(found.values())
    runs: list[PlannedRun] = []
    for number, adaptation in enumerate(tried):
        name = str(adaptation["method"])
        if name in {run.name for run in runs}:
            name = f"{name}{number}"
        stage = last.model_copy(update={"adaptation": adaptation, "evaluation": evaluation, "training": training})
        runs.append(PlannedRun(name, recipe.model_copy(update={"name": name, "stages": (*before, stage)})))
    criterion = {"name": "label-free", "threshold": threshold}
    return Study(recipe.name, tuple(runs), SearchConfig(criterion=criterion))


def _whole(adaptation: dict[str, Any]) -> str:
    """A method with all of its options, as one text. Raises InputError for wrong ones."""
    from xlgen.adaptation.base import build_method  # not for who reads a decision only

    options = build_method(adaptation).options.model_dump(mode="json")
    return json.dumps({"method": adaptation["method"], **options}, sort_keys=True)


def choose(results: Results, criterion: dict[str, Any]) -> tuple[Run, Choice]:
    """The best evaluation of all runs; of equals the one with the lowest rate."""
    judge = build_criterion(criterion)
    choices = [(run, best_step(judge, results, run)) for run in results.runs if run.figures]
    return max(choices, key=lambda pair: (pair[1].score, -(pair[0].learning_rate or 0.0)))


def take(decision: Decision, out: Path) -> None:
    """Put the chosen checkpoint into ``out/chosen``, in no more room than it takes already."""
    from xlgen.adaptation import checkpoints as store  # not for who reads a decision only

    source = decision.run.folder / "checkpoints" / f"step-{decision.choice.step}"
    if source not in store.checkpoints(source.parent):
        raise InputError(f"{source} is gone, and with it the checkpoint to take; remove its run and start again")
    temporary, target = out / f"{CHOSEN}.tmp", out / CHOSEN
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, copy_function=_link, ignore=shutil.ignore_patterns("resume*"))
    store.remove(target)
    temporary.rename(target)
    text = {"run": decision.run.name, "step": decision.choice.step, "criterion": decision.criterion}
    write_atomically(out / "decision.json", json.dumps(text, indent=1))


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
