"""Choices made on one half of the examples and scored on the other, in both directions.

A choice that is scored on the examples it was made on looks better than it is, above all the choice by target labels.
Li and Murray (2023) choose on development sets and report on test sets; this does the same with a single set.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError
from xlgen.core.shipped import find_task
from xlgen.core.yaml_config import read_yaml
from xlgen.experiments.choices import ORACLE, Chosen, checkpoint_choices, rate_choices
from xlgen.experiments.criteria import LANGUAGE_RATE
from xlgen.metrics.options import located, only_figures, with_options
from xlgen.runs.evaluations import prediction_files
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import FigureEvent, read_predictions
from xlgen.runs.rows import Results, mean, of_runs
from xlgen.runs.runs import Run
from xlgen.scoring.predictions import PredictionRow, score_predictions

Halves = tuple[Results, Results]


def halves(results: Results) -> Halves:
    """The scores of even and of odd examples, recomputed from the predictions of every evaluation.

    Values that do not depend on predictions, such as XLRS on separate texts, are the same in both. Raises InputError if
    no run has predictions for at least two examples per language.
    """
    found = [(_half(run, 0), _half(run, 1)) for run in results.runs]
    kept = [pair for pair in found if pair[0].figures and pair[1].figures]
    if not kept:
        raise InputError("selection needs a run with predictions for at least two examples per language")
    first, second = zip(*kept, strict=True)
    return of_runs(first), of_runs(second)


def checkpoints_on_halves(both: Halves, name: str) -> list[Chosen]:
    """Checkpoint choices of the run ``name``, made on one half and evaluated on the other.

    Values and regrets are the mean of both ways; runs and steps, which may differ, are those of the first.
    """
    ways = [checkpoint_choices(here, _run(here, name), there) for here, there in (both, both[::-1])]
    return _merged(ways)


def rates_on_halves(both: Halves, names: Sequence[str]) -> list[Chosen]:
    """Learning-rate choices among the runs ``names``, made and evaluated like :func:`checkpoints_on_halves`."""
    ways = [rate_choices(here, [_run(here, name) for name in names], there) for here, there in (both, both[::-1])]
    return _merged(ways)


def _merged(ways: Sequence[Sequence[Chosen]]) -> list[Chosen]:
    merged: list[Chosen] = []
    for choice in ways[0]:
        others = [other for way in ways[1:] for other in way if other.criterion == choice.criterion]
        if len(others) == len(ways) - 1:  # a criterion may have no value in one half
            both = [choice, *others]
            values = {code: mean(each.values.get(code) for each in both) for code in choice.values}
            merged.append(replace(choice, values=values))
    best = next((each.mean for each in merged if each.criterion == ORACLE), None)
    return [replace(each, regret=None if best is None or each.mean is None else best - each.mean) for each in merged]


def _run(results: Results, name: str) -> Run:
    return next(run for run in results.runs if run.name == name)


def _half(run: Run, half: int) -> Run:
    """The run with the metrics that criteria use, computed on one half of its examples."""
    scored = {
        (figure["step"], figure["language"], figure["metric"]): figure
        for step, folder in RunPaths(run.folder).evaluated_steps()
        for figure in _figures(run, step, folder, half)
    }
    steps = {step for step, _, _ in scored}
    kept = {
        (figure["step"], figure["language"], figure["metric"]): figure
        for figure in run.figures
        if figure["metric"] == "xlrs" and figure["step"] in steps
    }
    return replace(run, figures=tuple((kept | scored).values()))


def _figures(run: Run, step: int, folder: Path, half: int) -> Iterable[FigureEvent]:
    task = _task(run)
    for file in prediction_files(folder):
        rows = _of_half(read_predictions(file), half)
        if not rows:
            continue
        names = [run.main_metric, LANGUAGE_RATE, *(["xlrs"] if any("similarity" in row for row in rows) else [])]
        options = (run.stage.get("evaluation") or {}).get("metric_options") or {}
        metrics = only_figures(with_options([*(task.get("metrics") or ()), *names], options), names)
        for row in score_predictions(rows, metrics, file.stem, only=task.get("subset"), lid=_lid(run, task)):
            if row.value is not None:
                yield {
                    "event": "figure",
                    "step": step,
                    "language": row.language,
                    "metric": row.metric,
                    "value": row.value,
                    "low": row.low,
                    "high": row.high,
                    "n": row.n,
                    "signature": row.signature,
                }


def _of_half(rows: Sequence[PredictionRow], half: int) -> list[PredictionRow]:
    """Every other example; examples of one ranking group stay together."""
    units = [row["group"] if row.get("group") is not None else (place,) for place, row in enumerate(rows)]
    number = {unit: place for place, unit in enumerate(dict.fromkeys(units))}
    return [row for row, unit in zip(rows, units, strict=True) if number[unit] % 2 == half]


def _task(run: Run) -> JsonMapping:
    """The contents of the task's file."""
    task = run.stage.get("task")
    config = read_yaml(find_task(task)) if task else None
    return config if isinstance(config, dict) else {}


def _lid(run: Run, task: JsonMapping) -> str | None:
    """The language identifier that the run was evaluated with."""
    name = (run.stage.get("evaluation") or {}).get("lid") or task.get("lid")
    return located(str(name), Path(run.recipe.get("data_dir") or ".")) if name else None
