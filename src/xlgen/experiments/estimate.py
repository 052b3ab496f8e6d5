"""Estimate the runs and the duration of a study from a few measured steps of each kind of run."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.core.config import Recipe, Stage, validate
from xlgen.core.interrupt import exit_on_signal
from xlgen.core.json_types import JsonObject
from xlgen.data.tasks import load_task
from xlgen.experiments.execute import is_done, resolve_run_paths, status
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.search import wanted_runs
from xlgen.experiments.worker_pool import Worker
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import read_log

_STEPS, _INPUTS = 4, 2


@dataclass(frozen=True)
class Rates:
    """Measured durations, in seconds on one worker."""

    loading: float
    step: float
    """One training step, as the mean over all stages."""
    generated: float
    """One input of an evaluation, including scoring."""


@dataclass(frozen=True)
class Estimate:
    """One run of a study, with its status and remaining time."""

    run: PlannedRun
    status: str
    """``done``, ``missing``, or the status in the folder of an unfinished run."""
    seconds: float | None
    """The remaining time; None if the run could not be measured."""
    why: str = ""
    """The reason why it could not be measured."""


def estimate(
    study: Study, out: Path, threads: int, say: Callable[[str], None] = lambda text: None, *, measures: bool = True
) -> list[Estimate]:
    """Estimate every run that is known so far; a search adds more runs later.

    If ``measures``, a few steps of each kind of run are measured in a worker with ``threads`` threads. Runs that differ
    only in learning rate and seed are one kind. ``say`` receives a line before each measurement.
    """
    runs = [resolve_run_paths(run, out) for run in (wanted_runs(study, out) if study.search else study.runs)]
    measured: dict[str, Rates | str] = {}
    kinds = list(dict.fromkeys(_kind(run.recipe) for run in runs if not is_done(run, out / "runs" / run.name)))
    worker = Worker(threads)

    def of(run: PlannedRun) -> Estimate:
        folder = out / "runs" / run.name
        if is_done(run, folder):
            return Estimate(run, "done", 0.0)
        state, kind = status(folder) or "missing", _kind(run.recipe)
        if not measures:
            return Estimate(run, state, None, "not measured")
        if kind not in measured:
            say(f"measuring {_STEPS} steps of {run.name}, {kinds.index(kind) + 1} of {len(kinds)} kinds of runs")
            measured[kind] = measure(run, worker)
        rates = measured[kind]
        if isinstance(rates, str):
            return Estimate(run, state, None, rates)
        return Estimate(run, state, seconds(run.recipe, rates, _steps_done(folder), run.until))

    with exit_on_signal():
        try:
            return [of(run) for run in runs]
        finally:
            worker.close()


def seconds(recipe: Recipe, rates: Rates, done: int = 0, until: int | None = None) -> float:
    """The remaining seconds of a run whose last stage has ``done`` steps, to the step ``until`` or the end."""
    if recipe.baseline is not None:
        return rates.loading + inputs(recipe.stages[-1], recipe) * rates.generated
    *before, last = recipe.stages
    left = (until or last.training.steps) - done
    steps = sum(stage.training.steps for stage in before) * (done == 0) + max(0, left)
    evaluations = math.ceil(left / (last.evaluation.every or last.training.steps))
    return rates.loading + steps * rates.step + max(0, evaluations) * inputs(last, recipe) * rates.generated


def inputs(stage: Stage, recipe: Recipe) -> int:
    """The maximum number of inputs of an evaluation; the data may have fewer."""
    if stage.task is None:
        return 0
    task = load_task(stage.task, Path(recipe.data_dir))
    return (stage.evaluation.examples or 1_000) * len(stage.evaluation.languages or task.languages)


def measure(run: PlannedRun, worker: Worker) -> Rates | str:
    """Measure a kind of run. If it fails, return the last line of its log instead."""
    short = _shortened(run.recipe)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        code = worker.train(PlannedRun("run", short), folder, lambda: None)
        log = (Path(temporary) / "run.log").read_text(encoding="utf-8", errors="replace")
        if code:
            return (log.strip().splitlines() or [f"exit code {code}"])[-1]
        return _rates(read_log(RunPaths(folder).log_file).events, short)


def _rates(events: Sequence[JsonObject], recipe: Recipe) -> Rates:
    last = recipe.stages[-1]
    times = [event["time"] for event in events if event["event"] == "step"]
    ends = [event["time"] for event in events if event["event"] == "figure"]
    begun = times[-1] if times else events[0]["time"]
    whole = inputs(last, recipe)
    return Rates(
        loading=times[0] - events[0]["time"] if times else 0.0,
        step=(times[-1] - times[0]) / (len(times) - 1) if len(times) > 1 else 0.0,
        generated=(max(ends) - begun) / whole if ends and whole else 0.0,
    )


def _shortened(recipe: Recipe) -> Recipe:
    """The same recipe with only a few steps and inputs."""
    data = recipe.model_dump(mode="json")
    data |= {"cache_dir": None, "trackers": []}
    for stage in data["stages"]:
        stage["training"] |= {"steps": _STEPS, "log_every": 1, "save_every": None}
        stage["evaluation"] |= {"examples": _INPUTS, "every": None}
    found: Recipe = validate(Recipe, data, "the recipe")
    return found


def _kind(recipe: Recipe) -> str:
    """The settings that determine how long a step and an evaluated input take, as a string."""
    data = recipe.model_dump(mode="json")
    for key in ("name", "seed", "report_as", "cache_dir", "trackers"):
        data.pop(key)
    for stage in data["stages"]:
        for key in ("learning_rate", "steps", "warmup_steps", "schedule", "save_every", "log_every"):
            stage["training"].pop(key)
        for key in ("every", "examples", "split"):
            stage["evaluation"].pop(key)
    return json.dumps(data, sort_keys=True)


def _steps_done(folder: Path) -> int:
    events = read_log(RunPaths(folder).log_file).events
    return max((int(event["step"]) for event in events if event.get("event") == "step"), default=0)
