"""Baselines, which train nothing: one file each. Their run folders are like those of training, so tables show both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from typing import ClassVar

from xlgen.core.config import Evaluation, Recipe
from xlgen.core.plugins import OptionsT, Plugin, PluginOptions, PluginRegistry
from xlgen.core.progress import NoProgress, Progress
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.markup import shown, without_tokens
from xlgen.data.tasks import Task
from xlgen.evaluation.evaluate import empty_inputs, evaluation_examples, score_rows
from xlgen.runs.evaluations import write_predictions
from xlgen.runs.event_log import EventLog
from xlgen.runs.folder import RunFolder
from xlgen.scoring.predictions import PredictionRow
from xlgen.training.trackers import TrackerLogger


class BaselineOptions(PluginOptions):
    """Base of the options of baselines."""

    def build(self) -> Baseline:
        """Make the baseline with these options."""
        return baselines.build(self)


class Baseline(Plugin[OptionsT], ABC):
    """Base of all baselines."""

    Options: ClassVar[type[PluginOptions]] = BaselineOptions

    @abstractmethod
    def prepare(self, recipe: Recipe, task: Task, languages: tuple[str, ...]) -> None:
        """Load what is needed. Raises InputError if a language is not supported."""

    @abstractmethod
    def predict(self, examples: list[LabelledExample], language: str, evaluation: Evaluation) -> list[str]:
        """The output for each example, in order, all in one language. Special tokens are marked."""


baselines: PluginRegistry[Baseline] = PluginRegistry("baseline", "xlgen.training.baselines", "baselines")
"""Rules that predict without training, which every method should beat: the recipe's key `baseline`."""


def run_baseline(
    recipe: Recipe,
    task: Task | None,
    folder: RunFolder,
    *,
    progress: Progress | None = None,
    trackers: TrackerLogger | None = None,
) -> RunFolder:
    """Predict and score in every language, and write the run's folder, unless that is done.

    Raises InputError if there is no task.
    """
    if task is None:
        raise InputError("a baseline needs a task to be scored on")
    if folder.state.status == "done":
        return folder
    folder.set_state(stage=0, step=0, status="running")
    evaluation = recipe.stages[-1].evaluation
    examples = evaluation_examples(task, evaluation, recipe.stages[-1].source_languages)
    assert recipe.baseline is not None
    baseline: Baseline = recipe.baseline.build()
    baseline.prepare(recipe, task, tuple(examples))
    last = len(recipe.stages) - 1
    log = EventLog(folder.log_file, on_event=trackers.stage(last, 0)) if trackers else EventLog(folder.log_file)
    log.cut_after(-1)
    log.log("start", 0, parameters=0, trainable=0, data=None)
    bar = (progress or NoProgress()).task("predicting", sum(map(len, examples.values())), 0)
    rows: dict[str, list[PredictionRow]] = {}
    for language, found in examples.items():
        texts = baseline.predict(found, language, evaluation)
        rows[language] = [_row(example, text, task) for example, text in zip(found, texts, strict=True)]
        bar(len(found))
    write_predictions(folder.predictions_at(0), rows)
    sources = recipe.stages[-1].source_languages
    settings = evaluation.bootstrap, evaluation.lid, evaluation.metric_options, sources, evaluation.split
    for language, predicted in rows.items():
        counts = {"examples": len(predicted), "cropped_sources": 0, "empty_inputs": empty_inputs(predicted)}
        log.log("evaluated", 0, language=language, **counts)
        for row in score_rows(predicted, task, language, *settings):
            log.log("figure", 0, **asdict(row))
    folder.set_state(stage=0, step=0, status="done")
    return folder


def _row(example: LabelledExample, text: str, task: Task) -> PredictionRow:
    row: PredictionRow = {
        "id": example.id,
        "language": example.language,
        "input": task.with_newlines(example.shown),
        "prediction": task.with_newlines(without_tokens(text)),
        "raw": shown(text),
        "references": list(map(task.with_newlines, example.references)),
    }
    if example.is_empty:
        row["empty_input"] = True
    return row
