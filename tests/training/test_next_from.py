"""`next_from: best`: intermediate tuning hands on its best checkpoint (Vu et al. 2022, footnote 20)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from xlgen.backbones import loading
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.experiments.plan import load_study
from xlgen.runs.checkpoints import checkpoints_of, step_of
from xlgen.training.retention import best_on_source
from xlgen.training.run import check, train

EVALUATION = {"every": 1, "examples": 6, "languages": ["en"], "bootstrap": 0, "max_new_tokens": 12}


def recipe(method: str, next_from: str, rate: float, **changes: Any) -> Recipe:
    """Two stages on a pretrained model, whose first one does more harm with each step."""
    first = {
        "task": "pocket-titles",
        "adaptation": {"method": method, **({"num_virtual_tokens": 4} if method == "prompt" else {})},
        "training": {
            **{"steps": 3, "learning_rate": rate, "schedule": "constant", "warmup_steps": 0, "train_examples": 40},
            **{"batch_tokens": 1_000, "next_from": next_from, "keep_checkpoints": 1},
        },
        "evaluation": EVALUATION,
    }
    last = {**first, "training": {**first["training"], "steps": 1, "learning_rate": 1e-12, "next_from": "last"}}
    whole = {"name": "x", "backbone": "pocket-mt5", "stages": [first, last]}
    return Recipe.model_validate({**whole, **changes})


def weights(folder: Path) -> dict[str, torch.Tensor]:
    (file,) = folder.glob("*.safetensors")
    return load_file(file)


@pytest.mark.exhaustive
def test_a_whole_model(tmp_path: Path) -> None:
    for next_from in ("best", "last"):
        train(recipe("full", next_from, 0.05), tmp_path / next_from)
    stage = tmp_path / "best" / "stages" / "0"
    best = best_on_source(stage)
    assert step_of(best) < 3, "later steps are worse"
    assert {step_of(path) for path in checkpoints_of(stage)} >= {step_of(best), 3}
    handed = loading.load(str(stage / "model")).model.state_dict()
    wanted = loading.load(str(best)).model.state_dict()
    assert all(torch.equal(handed[name], wanted[name]) for name in wanted)
    other = loading.load(str(tmp_path / "last" / "stages" / "0" / "model")).model.state_dict()
    assert any(not torch.equal(handed[name], other[name]) for name in handed)


@pytest.mark.exhaustive
def test_a_prompt(tmp_path: Path) -> None:
    train(recipe("prompt", "best", 0.05), tmp_path / "run")
    stage = tmp_path / "run" / "stages" / "0"
    best = best_on_source(stage)
    (newest,) = checkpoints_of(tmp_path / "run")
    (started,) = weights(newest).values()  # one step at a rate of nothing
    (wanted,) = weights(best).values()
    assert torch.allclose(started, wanted, atol=1e-6)
    assert step_of(best) < 3, "later steps are worse"
    (last,) = weights(checkpoints_of(stage)[-1]).values()
    assert not torch.allclose(started, last, atol=1e-3)


def test_a_stage_that_nothing_says_the_best_of() -> None:
    text = {"unlabelled": [{"objective": {"name": "lm"}}], "training": {"next_from": "best", "steps": 1}}
    with pytest.raises(InputError, match="stage 0: next_from: best needs a stage with a task"):
        check(recipe("full", "best", 1e-3, stages=[text, {"task": "pocket-titles"}]))
    with pytest.raises(InputError, match="stage 0: next_from: best"):
        check(recipe("full", "best", 1e-3, stages=[{"task": "pocket-titles", "training": {"next_from": "best"}}]))


def test_intermediate_tuning_on_headlines_hands_on_the_best() -> None:
    runs = {run.name: run.recipe for run in load_study("v-table-11").runs if "it-gigaword" in run.name}
    assert runs
    assert {recipe.stages[0].training.next_from for recipe in runs.values()} == {"best"}
