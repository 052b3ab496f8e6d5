"""The runs in a folder, as the report needs them: identity, training log, and scores."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.core.registry import InputError
from xlgen.core.shipped import find_task
from xlgen.core.untrusted import check_utf8
from xlgen.core.yaml_loader import read_yaml
from xlgen.metrics.confidence_of import PREFIX as CONFIDENCE_OF
from xlgen.runs.files import finite
from xlgen.runs.paths import RunPaths
from xlgen.runs.recipes import canonical, read_resolved
from xlgen.runs.records import (
    EvaluatedEvent,
    FigureEvent,
    StartEvent,
    StepEvent,
    is_evaluated,
    is_figure,
    is_start,
    is_step,
    read_log,
    read_state,
)

log = logging.getLogger(__name__)

# Every evaluation computes these in addition to the task's own metrics, so none of them is a main metric.
STANDING = (
    "correct_language_rate",
    "reference_language_rate",
    "lid_confidence",
    "prediction_length",
    "reference_length",
    "empty_rate",
    "leftover_rate",
    "xlrs",
)


@dataclass(frozen=True)
class Run:
    """The contents of one run folder."""

    name: str
    """The folder's name."""
    folder: Path
    recipe: JsonMapping = field(repr=False)
    """The recipe in recipe.yaml."""
    backbone: str
    method: str
    learning_rate: float | None
    """None for a baseline that does not train."""
    seed: int | None
    task: str | None
    source_languages: tuple[str, ...]
    """Canonical codes."""
    metrics: tuple[str, ...]
    """The task's own metrics, the main one first; empty before the first evaluation."""
    status: str
    planned_steps: int | None
    start: StartEvent = field(repr=False)
    """The log's first event: numbers of parameters and trained parameters, and data statistics."""
    steps: tuple[StepEvent, ...] = field(repr=False)
    """The logged training steps."""
    figures: tuple[FigureEvent, ...] = field(repr=False)
    """The metric values of every evaluation, without duplicates."""
    evaluations: tuple[EvaluatedEvent, ...] = field(repr=False, default=())
    """For each evaluation and language, the number of inputs and how many of them were cropped."""

    @property
    def stage(self) -> JsonMapping:
        """The last stage of the recipe."""
        found: JsonMapping = self.recipe["stages"][-1]
        return found

    @property
    def last_step(self) -> int:
        """The step of the newest evaluation, which tables show."""
        return max((figure["step"] for figure in self.figures), default=0)

    @property
    def checkpoint_steps(self) -> tuple[int, ...]:
        """The steps of the evaluations that a checkpoint can be selected from, in order.

        An evaluation at step 0 counts only if the run has no other, as for a baseline.
        """
        steps = sorted({figure["step"] for figure in self.figures})
        return tuple(step for step in steps if step) or tuple(steps)

    @property
    def cropped_evaluation(self) -> int:
        """The number of inputs of the newest evaluation that were cropped to the length limit."""
        newest = [event for event in self.evaluations if event.get("step") == self.last_step]
        return sum(int(event.get("cropped_sources") or 0) for event in newest)

    @property
    def main_metric(self) -> str:
        """The task's main metric; empty before the first evaluation."""
        return self.metrics[0] if self.metrics else ""

    @property
    def seconds(self) -> float | None:
        """Training time from the logged speeds, without evaluations; None if nothing was trained."""
        total, done = 0.0, 0
        for step in self.steps:
            rate = finite(step.get("steps_per_second"))
            total += (step["step"] - done) / rate if rate else 0.0
            done = step["step"]
        return finite(total) or None

    @property
    def padding(self) -> float | None:
        """The mean share of padding in the logged batches, in [0, 1]."""
        shares = [share for share in (finite(step.get("padding")) for step in self.steps) if share is not None]
        return sum(shares) / len(shares) if shares else None


class NoFigureError(InputError):
    """A folder has no run, or none that has been evaluated."""


def find_runs(path: Path, say: Callable[[str], None] = log.warning) -> list[Run]:
    """The run in ``path``, or the runs of the study in ``path``, by name.

    A damaged run of a study is left out, and ``say`` is called with its folder and the problem.

    Raises:
        NoFigureError: if there is no run, or none has been evaluated.
        InputError: if ``path`` is not a folder, or a recipe cannot be read.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; pass the folder of a run or of a study")
    folders = [path] if RunPaths(path).recipe_file.is_file() else _inside(path / "runs") or _inside(path)
    others = [] if folders == [path] else _studies_in(path)
    if not folders and others:
        raise NoFigureError(f"{path} has no run itself; pass one of its folders with runs: {_listed(others)}")
    if not folders:
        raise NoFigureError(
            f"{path} has no run: neither {RunPaths(path).recipe_file} nor a folder with a recipe.yaml in it or in its "
            "runs/"
        )
    if others:
        say(f"left out: {_listed(others)}, which have runs of their own; report these folders separately")
    runs = []
    for folder in folders:
        try:
            runs.append(read_run(folder, say))
        except InputError as error:
            if len(folders) == 1:
                raise
            say(f"left out: {error}")
    if not runs:
        raise InputError(f"{path}: all of its {len(folders)} runs are damaged; see above")
    if not any(run.figures for run in runs):
        raise NoFigureError(
            f"{path} has no scores yet: no run has been evaluated. Wait for an evaluation, or run `xlgen evaluate`; "
            "without a task, `xlgen analyze ... --out FOLDER/analysis` gives a page with only the saved analyses"
        )
    return runs


def read_run(folder: Path, say: Callable[[str], None] = log.warning) -> Run:
    """Read one run folder; ``say`` is called if damaged lines of its log are left out.

    Raises InputError if its recipe.yaml is not a run's recipe.
    """
    check_utf8(folder)
    resolved, paths = read_resolved(folder), RunPaths(folder)
    recipe, stage = resolved.recipe, resolved.stage
    found = read_log(paths.log_file)
    if found.damaged:
        say(f"{paths.log_file}: {found.damaged} lines are damaged and left out")
    events = found.events
    figures = _figures(events)
    steps = tuple(event for event in events if is_step(event))
    training = stage.get("training") or {}
    task = stage.get("task")
    # A baseline such as lead has a recipe too, but the learning rate in it means nothing.
    # A run that trains may so far have evaluated only at step 0, before training.
    begun = (stage.get("evaluation") or {}).get("at_start") and not recipe.get("baseline")
    trained = bool(steps) or any(figure["step"] for figure in figures) or not figures or bool(begun)
    return Run(
        name=folder.resolve().name,
        folder=folder,
        recipe=recipe,
        backbone=resolved.backbone,
        method=resolved.method,
        learning_rate=finite(training.get("learning_rate")) if trained else None,
        seed=recipe.get("seed"),
        task=Path(task).stem if task else None,
        source_languages=tuple(map(canonical, stage.get("source_languages") or ())),
        metrics=_task_metrics(task, figures),
        status=read_state(folder).status or "unknown",
        planned_steps=training.get("steps") if trained else None,
        start=next((event for event in events if is_start(event)), StartEvent()),
        steps=steps,
        figures=figures,
        evaluations=tuple(event for event in events if is_evaluated(event)),
    )


def labels(runs: Iterable[Run]) -> dict[str, str]:
    """A short label for each run: its method, followed only by what distinguishes the runs."""
    runs = list(runs)
    parts = {run.name: (_rate(run), short_backbone(run.backbone), run.task or "") for run in runs}
    differing = [i for i in range(3) if len({found[i] for found in parts.values()}) > 1]
    short = {run.name: " ".join(filter(None, [run.method, *(parts[run.name][i] for i in differing)])) for run in runs}
    # Seeds, and as a last resort folders, are added only to labels that would otherwise be equal.
    short.update({run.name: f"{short[run.name]} seed {run.seed}" for run in _alike(runs, short)})
    short.update({run.name: f"{short[run.name]} ({run.name})" for run in _alike(runs, short)})
    return short


def short_backbone(name: str) -> str:
    """A backbone's name without its folder or organization."""
    return Path(name).name


def _alike(runs: list[Run], names: dict[str, str]) -> list[Run]:
    counts = Counter(names.values())
    return [run for run in runs if counts[names[run.name]] > 1]


def _rate(run: Run) -> str:
    return "" if run.learning_rate is None else f"lr {rate_text(run.learning_rate)}"


def rate_text(rate: float) -> str:
    """A learning rate in the usual notation: ``1e-4``, ``3.5e-4``."""
    mantissa, exponent = f"{rate:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def _inside(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    found = [child for child in path.iterdir() if RunPaths(child).recipe_file.is_file()]
    # Natural order: lr-2 comes before lr-10.
    return sorted(
        found, key=lambda child: [part.zfill(9) if part.isdigit() else part for part in re.split(r"(\d+)", child.name)]
    )


def _studies_in(path: Path) -> list[Path]:
    """The folders in ``path`` that have runs of their own, such as those of studies and of ``xlgen train --auto``."""
    return sorted(child for child in path.iterdir() if child.name != "runs" and _inside(child / "runs"))


def _listed(folders: list[Path]) -> str:
    return ", ".join(map(str, folders))


def _figures(events: Iterable[JsonMapping]) -> tuple[FigureEvent, ...]:
    """The metric values of a log. If one was logged again after a resume, the newer one counts."""
    found: dict[tuple[int, str, str], FigureEvent] = {}
    for event in events:
        if is_figure(event):
            found[event["step"], event["language"], event["metric"]] = event
    return tuple(found.values())


def _task_metrics(task: str | None, figures: tuple[FigureEvent, ...]) -> tuple[str, ...]:
    """The task's own metrics that were measured, the main one first."""
    seen = list(dict.fromkeys(figure["metric"] for figure in figures))
    config: JsonValue = {}
    with suppress(InputError):  # if the task's file no longer exists, its values remain
        config = read_yaml(find_task(task)) if task else {}
    config = config if isinstance(config, dict) else {}
    own = [metric for metric in seen if metric not in STANDING and not metric.startswith(CONFIDENCE_OF)]
    main = config.get("main_metric")
    named = config.get("metrics")
    asked = [each for each in (main, *(named if isinstance(named, list) else ())) if isinstance(each, str)]
    return tuple(dict.fromkeys([*(m for m in asked if m in own), *own])) or tuple(seen[:1])
