"""Check that a checkpoint belongs to the run that is about to continue from it."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from xlgen.backbones.base import Backbone
from xlgen.backbones.source_files import check_backbone
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT
from xlgen.data.tasks import build_task
from xlgen.runs.checkpoint_description import About, read_about
from xlgen.training.context import StageContext

_DECIDING = ("adaptation", "task", "head", "init", "seed", "allow_unknown", "limits", "source_languages")
"""What training depends on. Paths may differ, because a run or its data may have been moved; ``cleanup`` belongs to the
evaluation."""


def init_of(recipe: Recipe, index: int) -> Literal["pretrained", "random"]:
    """The initial weights of a stage. Only the first stage can start from random ones."""
    return recipe.backbone.init if index == 0 else "pretrained"


def about_of(context: StageContext, step: int) -> About:
    """The description of the checkpoint that a stage saves after ``step``."""
    recipe, stage, task = context.recipe, context.stage, context.task
    return About(
        step=step,
        backbone=context.backbone,
        adaptation=stage.adaptation.model_dump(mode="json", exclude_unset=True),
        task=stage.task,
        data_dir=recipe.data_dir,
        allow_unknown=context.allow_unknown,
        seed=recipe.seed,
        head=task.config.head if task is not None else None,
        init=init_of(recipe, context.index),
        task_config=task.config.model_dump(mode="json") if task is not None else None,
        cleanup=stage.evaluation.cleanup,
        source_languages=stage.source_languages,
        limits=stage.limits,
    )


def check_resumable(context: StageContext, checkpoint: Path, backbone: Backbone) -> About:
    """The description of a checkpoint. Raises InputError if it does not belong to the stage that is about to continue.

    ``backbone`` is the loaded backbone.
    """
    saved, task = read_about(checkpoint), context.task
    now = about_of(context, saved.step)
    undo = "undo that to resume, or train into another folder"
    if task is not None and saved.task_config is not None:
        before = build_task(saved.task_config, checkpoint, task.data_dir).inputs_and_labels
        today = task.inputs_and_labels
        if changed := [key for key in today if today[key] != before.get(key)]:
            raise InputError(
                f"the task {saved.task} has changed since {checkpoint} was trained ({', '.join(changed)}); {undo}"
            )
    if saved.files is not None:  # earlier versions did not save all of it
        ours, theirs = (json.loads(json.dumps(asdict(each))) for each in (now, saved))
        for key in _DECIDING:
            if ours[key] != theirs[key]:
                raise InputError(
                    f"{checkpoint / ABOUT} belongs to another run: its {key} is {theirs[key]!r}, but the recipe has "
                    f"{ours[key]!r}; {undo}"
                )
    check_backbone(saved, backbone)
    return saved
