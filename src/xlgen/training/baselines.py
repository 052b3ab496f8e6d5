"""Baselines that need no training, as run folders like any other, so that they stand in the same tables."""

from __future__ import annotations

from dataclasses import asdict

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.config import Recipe
from xlgen.data.tasks import Task
from xlgen.registry import InputError
from xlgen.training.evaluation import evaluation_examples, score_rows, write_predictions
from xlgen.training.folder import RunFolder
from xlgen.training.tracking import Tracker


def lead(text: str, backbone: Backbone, tokens: int) -> str:
    """The first ``tokens`` tokens of ``text`` (V, section 4: LEAD-64)."""
    return backbone.decode(backbone.pieces(text)[:tokens])


def run_baseline(recipe: Recipe, task: Task | None, folder: RunFolder) -> RunFolder:
    """Predict by rule for every language, score, and write the run's folder. Raises InputError without a task."""
    if task is None:
        raise InputError("a baseline needs a task to be scored on")
    evaluation = recipe.stages[-1].evaluation
    examples = evaluation_examples(task, evaluation)
    backbone = loading.load(recipe.backbone.name, languages=tuple(examples), allow_unknown=True)
    tracker = Tracker(folder.path / "metrics.jsonl")
    tracker.cut_after(-1)
    tracker.log("start", 0, parameters=0, trainable=0, data=None)
    rows = {
        language: [
            {
                "id": example.id,
                "language": language,
                "input": example.source,
                "prediction": (text := lead(example.source, backbone, recipe.lead_tokens)),
                "raw": text,
                "references": list(example.targets),
            }
            for example in found
        ]
        for language, found in examples.items()
    }
    write_predictions(folder.path / "predictions" / "step-0", rows)
    for language, found in rows.items():
        for row in score_rows(found, task, language, evaluation.bootstrap):
            tracker.log("figure", 0, **asdict(row))
    folder.set_state(stage=0, step=0, status="done")
    return folder
