"""Lengths that a recipe gives instead of its task's: mBART reads 1,024 tokens in Chirkova et al. (2023)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.adaptation import checkpoints as store
from xlgen.core.config import Evaluation, Recipe
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.experiments.plan import load_study
from xlgen.runs.checkpoints import find_checkpoint
from xlgen.training.run import check, train


def recipe(task: str, tiny: Path, **changes: Any) -> Recipe:
    training = {"steps": 1, "warmup_steps": 0, "batch_tokens": 500}
    evaluation = {"split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4}
    whole = {"name": "tiny", "backbone": str(tiny), "task": task, "training": training, "evaluation": evaluation}
    return Recipe.model_validate({**whole, **changes})


@pytest.mark.exhaustive
def test_the_recipe_s_lengths_go_before_the_task_s(
    tiny_task: Callable[..., str], tiny_mt5: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = tiny_task(["en", "th"], size=12)
    (usual,) = check(recipe(task, tiny_mt5))
    (short,) = check(recipe(task, tiny_mt5, max_source_tokens=9, max_target_tokens=40))
    assert usual is not None and short is not None
    assert (usual.config.max_source_tokens, usual.config.max_target_tokens) == (64, 48)
    assert (short.config.max_source_tokens, short.config.max_target_tokens) == (9, 40)
    assert short.config.model_copy(update={"max_source_tokens": 64, "max_target_tokens": 48}) == usual.config
    train(recipe(task, tiny_mt5, max_source_tokens=9), tmp_path / "run")
    with caplog.at_level(logging.WARNING):
        held = store.task_of(find_checkpoint(tmp_path / "run"))
        evaluate_checkpoint(tmp_path / "run", Evaluation(split="test", examples=1, bootstrap=0, max_new_tokens=2))
    assert held is not None and held.config.max_source_tokens == 9
    assert "has changed since" not in caplog.text  # the task's file is as it was


@pytest.mark.parametrize("name", ["c-figures-3-4", "c-table-1", "c-table-2"])
def test_mbart_reads_1024_tokens(name: str) -> None:
    found = {
        ("mbart" in run.recipe.backbone.name, run.recipe.stages[-1].limits.get("max_source_tokens"))
        for run in load_study(name).runs
    }
    assert found == {(True, 1_024), (False, None)}


def test_generation_of_li_and_murray_identifies_with_cld3() -> None:
    """Section 6.1: "we follow previous work (Vu et al., 2022) and calculate the language id confidence score"."""
    assert {run.recipe.stages[-1].evaluation.lid for run in load_study("l-generation").runs} == {"cld3"}
