"""The runs of a learning-rate search, planned in waves: each wave depends on the scores of the previous ones.

A search has no files besides its runs. The next wave is computed from their scores, so a killed search resumes, and a
finished one has no further runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

from rich.console import Console

from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import override_keys
from xlgen.experiments.budget import Budget
from xlgen.experiments.criteria import LANGUAGE_RATE, best_step, over_targets
from xlgen.experiments.execute import execute, is_done, resolve_run_paths, status
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.policies import History, Outcome, SearchPolicy, Trial, best, policies, whole
from xlgen.experiments.worker_pool import WorkerPool
from xlgen.runs.rows import Results, load_results
from xlgen.runs.runs import rate_text

Executor = Callable[[Study, Path, int, Console, Budget | None], dict[str, str]]


@dataclass(frozen=True)
class SearchProgress:
    """The progress of the search for one run."""

    base: PlannedRun
    made: History
    wanted: tuple[Trial, ...]
    """The trials to run next; empty when the search has ended."""
    known: bool
    """Whether the search could be planned. False if it waits for a run that it follows, or if a trial failed."""

    @property
    def tried(self) -> dict[float, float]:
        """Rates that were trained to the last step, with their scores; minus infinity if training failed."""
        return whole(self.made)

    @property
    def chosen(self) -> float | None:
        """The best rate, once the search has ended."""
        return best(self.tried) if self.known and not self.wanted and self.tried else None


def search(
    study: Study,
    out: Path,
    workers: int,
    console: Console,
    budget: Budget | None = None,
    executor: Executor | None = None,
) -> dict[str, str]:
    """Run the study's search wave by wave into ``out``; return failures like :func:`execute`.

    If a run fails other than by diverging, the score of its rate is unknown. Its search then stops undecided, and
    resumes when the study is run again.

    ``executor`` runs a wave; if None, :func:`execute` runs it on this machine.
    """
    if executor is None:
        with WorkerPool() as pool:
            return search(study, out, workers, console, budget, partial(execute, pool=pool))
    failed: dict[str, str] = {}
    budget = budget or Budget()
    while True:
        runs = [run for run in wanted_runs(study, out, failed) if run.name not in failed and not ended(run, out)]
        if not runs or budget.left_out:
            return failed
        failed |= executor(replace(study, runs=tuple(runs), search=None), out, workers, console, budget)


def ended(run: PlannedRun, out: Path) -> bool:
    """Whether a run has reached its last step, or has diverged."""
    folder = out / "runs" / run.name
    return is_done(resolve_run_paths(run, out), folder) or status(folder) == "diverged"


def wanted_runs(study: Study, out: Path, failed: Collection[str] = ()) -> list[PlannedRun]:
    """The runs of the search known so far, done or not; ``failed`` are the names of failed runs."""
    assert study.search is not None
    found = {run.name: run for run in study.runs if run.recipe.baseline is not None}
    for state in progress(study, out, failed):
        # Trials of the same run: the last one trains the furthest.
        found |= {run.name: run for run in (at(state.base, trial) for trial in (*state.made, *state.wanted))}
        if state.chosen is not None:
            found |= {run.name: run for run in repeats(at(state.base, Trial(state.chosen)), study.search.repeat)}
    return list(found.values())


def progress(study: Study, out: Path, failed: Collection[str] = ()) -> list[SearchProgress]:
    """The progress of the search for each run."""
    results = _results(out)
    states: dict[str, SearchProgress] = {}

    def state_of(base: PlannedRun) -> SearchProgress:
        if base.name not in states:
            states[base.name] = _state(study, base, out, results, failed, lambda name: state_of(bases[name]))
        return states[base.name]

    bases = {run.name: run for run in study.runs if run.recipe.baseline is None}
    _check_labels(study, bases)
    _check_follow(study, bases)
    return [state_of(base) for base in bases.values()]


def _state(
    study: Study,
    base: PlannedRun,
    out: Path,
    results: Results | None,
    failed: Collection[str],
    other: Callable[[str], SearchProgress],
) -> SearchProgress:
    assert study.search is not None
    followed = followed_by(base.name, study)
    if followed is None:
        matching = [config for part, config in study.search.policies.items() if _has(base.name, part)]
        policy: SearchPolicy = (matching[0] if matching else study.search.policy).build()
    else:
        rate = other(followed).chosen
        if rate is None:
            return SearchProgress(base, {}, (), known=False)
        policy = policies.options({"name": "follow", "rate": rate}).build()
    method = base.recipe.stages[-1].adaptation.name
    made: dict[Trial, Outcome] = {}
    while trials := policy.trials(made, method):
        outcomes = {trial: _outcome(study, at(base, trial), out, results) for trial in trials}
        made |= {trial: outcome for trial, outcome in outcomes.items() if outcome is not None}
        if missing := [trial for trial, outcome in outcomes.items() if outcome is None]:
            lost = any(at(base, trial).name in failed for trial in missing)
            return SearchProgress(base, made, () if lost else tuple(missing), known=not lost)
    return SearchProgress(base, made, (), known=True)


def _outcome(study: Study, run: PlannedRun, out: Path, results: Results | None) -> Outcome | None:
    """The outcome of a run that has ended; None for any other run."""
    assert study.search is not None
    if not ended(run, out):
        return None
    read = [each for each in results.runs if each.name == run.name] if results else []
    if status(out / "runs" / run.name) == "diverged" or not read:
        return Outcome(-math.inf)
    assert results is not None
    choice = best_step(study.search.criterion.build(), results, read[0], until=run.until)
    rate = over_targets(results, read[0], LANGUAGE_RATE, choice.step)
    return Outcome(choice.score, rate if math.isfinite(rate) else None)


def at(base: PlannedRun, trial: Trial) -> PlannedRun:
    """The run with the trial's learning rate in its last stage, up to the trial's step; its name ends in the rate."""
    name = f"{base.name}-{rate_text(trial.rate)}"
    *before, last = base.recipe.stages
    training = last.training.model_copy(update={"learning_rate": trial.rate})
    stages = (*before, last.model_copy(update={"training": training}))
    return PlannedRun(name, base.recipe.model_copy(update={"name": name, "stages": stages}), _until(base, trial.share))


def _until(base: PlannedRun, share: float) -> int | None:
    """The step of the evaluation closest to a share of the training; None for the end."""
    stage = base.recipe.stages[-1]
    every, steps = stage.evaluation.every, stage.training.steps
    if share >= 1:
        return None
    if every is None:
        raise InputError(f"{base.name}: a search that stops runs early needs `evaluation.every`, to compare them")
    step = max(1, round(share * steps / every)) * every
    return step if step < steps else None


def repeats(run: PlannedRun, keys: dict[str, list[object]]) -> Iterator[PlannedRun]:
    """Repeat the run with every combination of the values in ``keys``."""
    for values in product(*keys.values()):
        if not values:
            return
        changes = dict(zip(keys, values, strict=True))
        name = "-".join([run.name, *(f"{key.split('.')[-1]}={value}" for key, value in changes.items())])
        data = override_keys({**run.recipe.model_dump(mode="json"), "name": name}, changes)
        yield PlannedRun(name, Recipe.model_validate(data))


def followed_by(name: str, study: Study) -> str | None:
    """The name of the run whose rate the run ``name`` reuses; None if it has its own search."""
    assert study.search is not None
    for part, instead in study.search.follow.items():
        if _has(name, part):
            return _part(part).sub(rf"\g<1>{instead}\g<2>", name)
    return None


def _check_follow(study: Study, bases: dict[str, PlannedRun]) -> None:
    for name in bases:
        followed = followed_by(name, study)
        if followed is not None and (followed not in bases or followed_by(followed, study) is not None):
            why = "the study has no such run" if followed not in bases else "that run follows another run itself"
            raise InputError(f"search.follow: {name} is to follow {followed}, but {why}")


def _check_labels(study: Study, bases: dict[str, PlannedRun]) -> None:
    """Raise InputError if the criterion needs target labels but the runs have none.

    Otherwise all rates would score equally, and the search would move to the lowest rate.
    """
    assert study.search is not None
    name = study.search.criterion.name
    if not study.search.criterion.build().needs_target_labels:
        return
    for run in bases.values():
        if run.recipe.stages[-1].evaluation.references == "source":
            raise InputError(
                f"{run.name}: the criterion {name!r} needs references in the target languages, but the recipe has "
                "evaluation.references: source; use search.criterion: label-free"
            )


def _has(name: str, part: str) -> bool:
    return _part(part).search(name) is not None


def _part(part: str) -> re.Pattern[str]:
    return re.compile(rf"(^|-){re.escape(part)}(-|$)")


def _results(out: Path) -> Results | None:
    try:
        return load_results(out)
    except InputError:  # nothing has been evaluated yet
        return None
