"""Train a checkpoint for all languages from labels in one, without any label in the others (``xlgen train --auto``).

The search over methods and learning rates and the choice of the checkpoint need no target labels. They use the quality
of outputs in the source languages, and the rate of outputs in the right language in the others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from xlgen.core.arguments import argument
from xlgen.core.config import Recipe
from xlgen.core.languages import Language
from xlgen.core.plugins import PluginChoice, PluginOptions
from xlgen.core.registry import InputError, RunEndedError
from xlgen.experiments.budget import Budget
from xlgen.experiments.criteria import Choice, Criterion, best_step
from xlgen.experiments.criteria.label_free import LabelFreeOptions
from xlgen.experiments.execute import failures, status
from xlgen.experiments.plan import PlannedRun, SearchConfig, Study
from xlgen.experiments.search import search
from xlgen.runs.checkpoints import checkpoints_of, copy_checkpoint
from xlgen.runs.files import CHOSEN, write_atomically
from xlgen.runs.paths import RunPaths
from xlgen.runs.rows import Results, load_results
from xlgen.runs.runs import Run

METHODS = ("full", "adapters")
"""The methods to try: the two that Chirkova et al. (2023) found best over backbones and tasks."""
_EVALUATIONS = 5


class UndecidedError(RunEndedError):
    """A run of the search failed, so the best run is not known."""


@dataclass(frozen=True)
class Decision:
    """The chosen run and evaluation, and the results of the search."""

    run: Run
    choice: Choice
    criterion: LabelFreeOptions
    results: Results
    left_out: tuple[str, ...]
    """Runs that were skipped for lack of time."""
    failed: tuple[str, ...]
    """Runs that failed, each with the reason."""


def auto(
    recipe: Recipe,
    out: Path,
    workers: int,
    console: Console,
    hours: float | None = None,
    threshold: float = 95.0,
    methods: Sequence[PluginChoice] = METHODS,
) -> Decision:
    """Search, choose, and save the checkpoint in ``out/chosen``. Called again, it resumes.

    ``threshold`` is the required correct-language rate in percent. Raises InputError if the recipe has no task or no
    run was scored, and UndecidedError if a run failed other than by diverging.
    """
    study, criterion = plan(recipe, threshold, methods), label_free(threshold)
    budget = Budget(hours)
    failed = search(study, out, workers, console, budget)
    if not any(RunPaths(folder).log_file.exists() for folder in (out / "runs").glob("*")):
        why = "; ".join(failures(failed)) or f"{hours:g} hours are not enough for one"
        raise InputError(f"no run finished: {why}")
    if lost := {name: text for name, text in failed.items() if status(out / "runs" / name) != "diverged"}:
        raise UndecidedError(
            f"no decision: {len(lost)} of the runs failed, so their scores are not known:\n  "
            + "\n  ".join(failures(lost))
            + "\nRun the same command again to retry them; finished runs are kept"
        )
    results = load_results(out)
    run, choice = choose(results, criterion.build())
    decision = Decision(run, choice, criterion, results, tuple(budget.left_out), tuple(failures(failed)))
    take(decision, out)
    return decision


def plan(recipe: Recipe, threshold: float, methods: Sequence[PluginChoice]) -> Study:
    """The study to search: each method on the recipe, with evaluation references only in the source languages."""
    from xlgen.adaptation.base import methods as known_methods  # imported late: it imports PyTorch

    *before, last = recipe.stages
    if last.task is None or recipe.baseline is not None:
        raise InputError(f"{argument('auto')} needs a recipe whose last stage trains on a task")
    every = last.evaluation.every or max(1, last.training.steps // _EVALUATIONS)
    asked = last.evaluation.languages
    if asked:
        # Only the source languages have references, which show how well the task is learned.
        asked = tuple(dict.fromkeys(Language.parse(code).code for code in (*last.source_languages, *asked)))
    evaluation = last.evaluation.model_copy(update={"references": "source", "every": every, "languages": asked})
    # Keep every checkpoint, because any of them may be chosen.
    training = last.training.model_copy(update={"save_every": None, "keep_checkpoints": None})
    tried: list[PluginOptions] = []
    for each in (last.adaptation, *map(known_methods.options, methods)):
        if each not in tried:
            tried.append(each)
    runs: list[PlannedRun] = []
    for number, adaptation in enumerate(tried):
        name = adaptation.name
        if name in {run.name for run in runs}:
            name = f"{name}{number}"
        stage = last.model_copy(update={"adaptation": adaptation, "evaluation": evaluation, "training": training})
        runs.append(PlannedRun(name, recipe.model_copy(update={"name": name, "stages": (*before, stage)})))
    return Study(recipe.name, tuple(runs), SearchConfig(criterion=label_free(threshold)))


def label_free(threshold: float) -> LabelFreeOptions:
    """The criterion, which requires ``threshold`` percent of outputs in the right language."""
    return LabelFreeOptions(name="label-free", threshold=threshold)


def choose(results: Results, criterion: Criterion) -> tuple[Run, Choice]:
    """The best evaluation of all runs; ties go to the lowest learning rate."""
    choices = [(run, best_step(criterion, results, run)) for run in results.runs if run.figures]
    return max(choices, key=lambda pair: (pair[1].score, -(pair[0].learning_rate or 0.0)))


def take(decision: Decision, out: Path) -> None:
    """Put the chosen checkpoint into ``out/chosen``, with hard links if possible, which need no extra disk space."""
    source = RunPaths(decision.run.folder).checkpoint(decision.choice.step)
    if source not in checkpoints_of(decision.run.folder):
        raise InputError(f"the chosen checkpoint {source} no longer exists; remove its run and start again")
    copy_checkpoint(source, out / CHOSEN)
    text = {
        "run": decision.run.name,
        "step": decision.choice.step,
        "criterion": decision.criterion.model_dump(exclude_unset=True),
    }
    write_atomically(out / "decision.json", json.dumps(text, indent=1))
