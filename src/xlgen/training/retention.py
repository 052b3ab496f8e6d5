"""Which checkpoints `keep_checkpoints` must not delete, because a paper's rule may report them (`keep_best`)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.checkpoints import step_of
from xlgen.core.config import Stage
from xlgen.core.json_types import JsonMapping
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.data.tasks import Task
from xlgen.runs.event_log import read_events
from xlgen.runs.paths import RunPaths

_Scores: TypeAlias = Mapping[str, Mapping[int, float]]
"""Language -> step -> value."""


def tidy(place: Path, stage: Stage, task: Task | None) -> None:
    """Delete the checkpoints in a stage's folder that neither ``keep_checkpoints`` nor ``keep_best`` keeps."""
    folder = RunPaths(place).checkpoints
    saved = [path for path in store.checkpoints(folder) if not store.is_passing(path)]
    best = steps_to_keep(RunPaths(place).log_file, stage, task, saved)
    store.tidy(folder, stage.training.keep_checkpoints, best)


def best_on_source(run: Path) -> Path:
    """The checkpoint of ``run`` with the best main metric on its source languages; the newest where none was scored.

    Raises InputError where the run has no checkpoint.
    """
    found = store.checkpoints(RunPaths(run).checkpoints)
    if not found:
        raise InputError(f"{run} has no checkpoint; give the folder of a run that has been trained")
    about = store.read_about(found[-1])
    sources = [Language.parse(text).code for text in about.source_languages or ("en",)]
    metric, steps = (about.task_config or {}).get("main_metric"), {step_of(path): path for path in found}
    events = [event for event in read_events(RunPaths(run).log_file) if event.get("step") in steps]
    scores = _scores([event for event in events if event.get("event") == "figure"], str(metric))
    (best,) = _best(_mean([scores[code] for code in sources if code in scores])) or {step_of(found[-1])}
    return steps[best]


def steps_to_keep(log: Path, stage: Stage, task: Task | None, saved: Iterable[Path]) -> set[int]:
    """The steps of ``saved`` checkpoints that the stage's ``keep_best`` asks for, by the evaluations in ``log``.

    Ties go to the later step, as in :func:`xlgen.experiments.as_published.reported`, which reads the same log.
    """
    steps = {step_of(path) for path in saved}
    keep = {*stage.training.keep_best, *(["source"] if stage.training.next_from == "best" else [])}
    if task is None or not keep or not steps:
        return set()
    found: set[int] = set()
    events = [event for event in read_events(log) if event.get("event") == "figure" and event.get("step") in steps]
    scores = _scores(events, task.config.main_metric)
    if "source" in keep:
        sources = [Language.parse(text).code for text in stage.source_languages]
        found |= _best(_mean([scores[code] for code in sources if code in scores]))
    if "target" in keep:
        found.update(*(_best(values) for values in scores.values()))
    if "xlrs" in keep:
        found.update(
            *(_best({step: -value for step, value in each.items()}) for each in _scores(events, "xlrs").values())
        )
    return found


def _scores(events: Collection[JsonMapping], metric: str) -> _Scores:
    found: dict[str, dict[int, float]] = {}
    for event in events:
        value = event.get("value")
        if event.get("metric") == metric and isinstance(value, int | float) and math.isfinite(value):
            found.setdefault(str(event.get("language")), {})[event["step"]] = value
    return found


def _mean(scores: Collection[Mapping[int, float]]) -> dict[int, float]:
    """By step; a language without a score at a step is left out of its mean."""
    steps = {step for values in scores for step in values}
    each = {step: [values[step] for values in scores if step in values] for step in steps}
    return {step: math.fsum(values) / len(values) for step, values in each.items()}


def _best(values: Mapping[int, float]) -> set[int]:
    return {max(values, key=lambda step: (values[step], step))} if values else set()
