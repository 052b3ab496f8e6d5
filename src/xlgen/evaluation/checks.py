"""Checks of an evaluation's settings before anything is trained or generated."""

from __future__ import annotations

from xlgen.core.config import Evaluation, Stage
from xlgen.core.registry import InputError, nearest
from xlgen.data.tasks import Task
from xlgen.evaluation.evaluate import metrics_of, score_rows
from xlgen.metrics.options import check_identifier
from xlgen.metrics.score import check_metrics, choose
from xlgen.scoring.predictions import PredictionRow


def check_scoring(task: Task, evaluation: Evaluation) -> None:
    """Raise InputError if a package, model, tokenizer or language identifier that a metric needs is missing."""
    lid = task.identifier(evaluation.lid)
    if lid is not None:
        check_identifier(lid)
    languages = evaluation.languages or task.languages
    check_metrics(metrics_of(task, evaluation.metric_options), languages, lid)
    # Metrics load their models only when they score.
    text = task.config.labels[0] if task.config.labels else "1"
    row: PredictionRow = {"input": text, "prediction": text, "raw": text, "references": [text], "group": "0"}
    score_rows([row], task, languages[0], 0, evaluation.lid, evaluation.metric_options)


def check_plateau(task: Task, stage: Stage) -> None:
    """Raise InputError if the learning rate depends on a value that evaluations do not report."""
    if stage.training.plateau is None:
        return
    metrics = metrics_of(task, stage.evaluation.metric_options, stage.source_languages)
    xlrs = ["xlrs"] if task.config.parallel or stage.evaluation.xlrs else []
    names = [*(figure.name for _, figures in choose(metrics) for figure in figures), *xlrs]
    if (name := stage.training.plateau.metric) not in names:
        raise InputError(f"training.plateau watches {name!r}, which evaluations do not report: {nearest(name, names)}")
