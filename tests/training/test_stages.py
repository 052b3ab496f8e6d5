"""Stages that several runs share are trained once."""

import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import Recipe
from xlgen.runs.checkpoint_description import read_about
from xlgen.training.callbacks import Callback
from xlgen.training.run import stage_key, train
from xlgen.training.state import TrainingState


def recipe(tiny_mt5: Path, cache: Path | None, rate: float = 1e-3, **changes: Any) -> Recipe:
    text = {"objective": {"name": "first_sentence", "max_tokens": 48}, "corpus": {"reader": "pocket", "size": 8}}
    training = {"steps": 2, "warmup_steps": 0, "batch_tokens": 400, "log_every": 1, "train_examples": 8}
    evaluation = {"examples": 1, "languages": ["en"], "bootstrap": 0, "max_new_tokens": 2}
    stages = [
        {"unlabelled": [{**text, "languages": ["fr", "en"]}], "training": training},
        {"task": "pocket-titles", "training": {**training, "learning_rate": rate}, "evaluation": evaluation},
    ]
    data = {"name": "t", "backbone": str(tiny_mt5), "stages": stages, "cache_dir": str(cache) if cache else None}
    return Recipe.model_validate({**data, **changes})


class Trained(Callback):
    """Records which stages are trained, in order."""

    def __init__(self) -> None:
        self.stages: list[int] = []

    def before_training(self, state: TrainingState) -> None:
        self.stages.append(state.context.index)


@pytest.mark.exhaustive
def test_a_shared_stage_is_trained_once(tiny_mt5: Path, tmp_path: Path) -> None:
    trained = Trained()
    cache = tmp_path / "stages"
    train(recipe(tiny_mt5, cache), tmp_path / "a", callbacks=[trained])
    train(recipe(tiny_mt5, cache, rate=1e-4), tmp_path / "b", callbacks=[trained])
    assert trained.stages == [0, 1, 1]
    place = json.loads((tmp_path / "b" / "stages" / "0.json").read_text())["place"]
    about = read_about(tmp_path / "b" / "checkpoints" / "step-2")
    assert about.backbone == f"{place}/model"
    assert Path(place).parent == cache
    train(recipe(tiny_mt5, cache, seed=1), tmp_path / "c", callbacks=[trained])
    assert trained.stages == [0, 1, 1, 0, 1], "another seed is another stage"


def test_the_result_is_the_same_with_and_without(tiny_mt5: Path, tmp_path: Path) -> None:
    train(recipe(tiny_mt5, tmp_path / "stages"), tmp_path / "with")
    train(recipe(tiny_mt5, None), tmp_path / "without")
    logs = []
    for run in ("with", "without"):
        lines = (tmp_path / run / "metrics.jsonl").read_text().splitlines()
        logs.append([e["loss"] for e in map(json.loads, lines) if e["event"] == "step"])
    assert logs[0] == logs[1]
    assert (tmp_path / "without" / "stages" / "0" / "model").is_dir()


def test_what_decides_a_stage(tiny_mt5: Path) -> None:
    one = recipe(tiny_mt5, None)
    assert stage_key(one, 0) == stage_key(recipe(tiny_mt5, Path("elsewhere"), rate=3e-3, name="u"), 0)
    assert stage_key(one, 0) != stage_key(one, 1)
    assert stage_key(one, 0) != stage_key(recipe(tiny_mt5, None, backbone="pocket-mt5"), 0)
    assert stage_key(one, 1) != stage_key(recipe(tiny_mt5, None, rate=3e-3), 1)
