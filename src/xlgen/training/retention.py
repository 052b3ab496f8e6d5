"""Which checkpoints of a stage are kept: the newest (``keep_checkpoints``) and the best (``keep_best``)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from xlgen.core.config import Stage
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.tasks import Task
from xlgen.runs import checkpoints
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import step_of
from xlgen.runs.files import finite
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import FigureEvent, is_figure, read_log
from xlgen.runs.resume_state import is_temporary

_Scores: TypeAlias = Mapping[str, Mapping[int, float]]
"""Values by step, by language."""


def apply_retention(place: Path, stage: Stage, task: Task | None) -> None:
    """Remove the checkpoints of a stage that neither ``keep_checkpoints`` nor ``keep_best`` keeps."""
    saved = [path for path in checkpoints.checkpoints_of(place) if not is_temporary(path)]
    best = steps_to_keep(RunPaths(place).log_file, stage, task, saved)
    checkpoints.remove_unneeded(place, stage.training.keep_checkpoints, best)


def best_on_source(run: Path) -> Path:
    """The checkpoint of a run or stage with the best main metric on its source languages.

    If none of its checkpoints was scored, the newest one. Raises InputError if there is no checkpoint.
    """
    found = checkpoints.checkpoints_of(run)
    if not found:
        raise InputError(f"{run} has no checkpoint; pass the folder of a run that has been trained")
    about = read_about(found[-1])
    sources = [Language.parse(text).code for text in about.source_languages or ("en",)]
    metric, steps = (about.task_config or {}).get("main_metric"), {step_of(path): path for path in found}
    scores = _scores(_figures(RunPaths(run).log_file, steps), str(metric))
    (best,) = _best(_mean([scores[code] for code in sources if code in scores])) or {step_of(found[-1])}
    return steps[best]


def steps_to_keep(log: Path, stage: Stage, task: Task | None, saved: Iterable[Path]) -> set[int]:
    """The steps of the ``saved`` checkpoints that the stage's ``keep_best`` asks for, by the evaluations in ``log``.

    Ties go to the later step, as in :func:`xlgen.experiments.as_published.reported`, which reads the same log.
    """
    steps = {step_of(path) for path in saved}
    keep = {*stage.training.keep_best, *(["source"] if stage.training.next_from == "best" else [])}
    if task is None or not keep or not steps:
        return set()
    found: set[int] = set()
    figures = _figures(log, steps)
    scores = _scores(figures, task.config.main_metric)
    if "source" in keep:
        sources = [Language.parse(text).code for text in stage.source_languages]
        found |= _best(_mean([scores[code] for code in sources if code in scores]))
    if "target" in keep:
        found.update(*(_best(values) for values in scores.values()))
    if "xlrs" in keep:
        for values in _scores(figures, "xlrs").values():
            found |= _best({step: -value for step, value in values.items()})
    return found


def _figures(log: Path, steps: Collection[int]) -> list[FigureEvent]:
    """The logged values of all metrics at some steps."""
    return [event for event in read_log(log).events if is_figure(event) and event["step"] in steps]


def _scores(figures: Iterable[FigureEvent], metric: str) -> _Scores:
    """The finite values of one metric."""
    found: dict[str, dict[int, float]] = {}
    for figure in figures:
        value = finite(figure.get("value"))
        if figure["metric"] == metric and value is not None:
            found.setdefault(figure["language"], {})[figure["step"]] = value
    return found


def _mean(scores: Collection[Mapping[int, float]]) -> dict[int, float]:
    """The means over languages, by step. A language without a score at a step is left out of its mean."""
    steps = {step for values in scores for step in values}
    each = {step: [values[step] for values in scores if step in values] for step in steps}
    return {step: math.fsum(values) / len(values) for step, values in each.items()}


def _best(values: Mapping[int, float]) -> set[int]:
    """The step with the highest value, the later one of equals; empty if there is no value."""
    return {max(values, key=lambda step: (values[step], step))} if values else set()
