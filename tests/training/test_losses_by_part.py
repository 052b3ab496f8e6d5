"""The losses of a mixture's parts in the log."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import Recipe, validate
from xlgen.training.run import train


@pytest.mark.spread(1)
@pytest.mark.parametrize("mixed", [True, False])
def test_the_log_has_the_loss_of_each_part(
    mixed: bool, checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    unlabelled = {
        "objective": {"name": "prefix_lm", "max_tokens": 24},
        "corpus": {"reader": "pocket", "size": 20},
        "languages": ["fr"],
        "rate": 0.5,
    }
    stage: dict[str, Any] = {
        "task": tiny_task(["en"]),
        "unlabelled": [unlabelled] if mixed else [],
        "training": {"steps": 4, "accumulation": 4, "batch_tokens": 200, "log_every": 1, "precision": "fp32"},
        "evaluation": {"split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 2},
    }
    recipe = validate(Recipe, {"name": "r", "backbone": str(checkpoint("mt5")), "stages": [stage]}, "here")
    train(recipe, tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [event for event in map(json.loads, lines) if event["event"] == "step"]
    assert len(steps) == 4
    if not mixed:
        assert all("losses" not in step for step in steps)
        return
    names = {name for step in steps for name in step["losses"]}
    assert len(names) == 2 and "prefix_lm" in names
    for step in steps:
        low, high = min(step["losses"].values()), max(step["losses"].values())
        assert low - 1e-4 <= step["loss"] <= high + 1e-4, "the loss is a mean of theirs"
