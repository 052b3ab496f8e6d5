"""A baseline that is made again is not done until it has all of its scores."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import Recipe
from xlgen.experiments.execute import is_done
from xlgen.experiments.plan import PlannedRun
from xlgen.training import baselines
from xlgen.training.run import train


class Killed(BaseException):
    """Simulates the end of the process: no code catches it."""


@pytest.fixture
def recipe(tiny_task: Callable[..., str]) -> Recipe:
    evaluation = {"split": "test", "examples": 2, "bootstrap": 0}
    config = {"name": "lead", "backbone": "pocket-mt5", "task": tiny_task(["en", "th", "ar"]), "baseline": "lead"}
    return Recipe.model_validate({**config, "evaluation": evaluation})


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "time"} for line in lines]


@contextmanager
def killed_at(code: str) -> Iterator[None]:
    """The process ends where the outputs in the language ``code`` would be scored."""
    working = baselines.score_rows

    def score(rows: Any, task: Any, language: str, *rest: Any) -> Any:
        if language == code:
            raise Killed
        return working(rows, task, language, *rest)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "score_rows", score)
        yield


def test_a_finished_baseline_that_is_resumed_and_killed_has_all_scores_or_is_not_done(
    recipe: Recipe, tmp_path: Path
) -> None:
    train(recipe, tmp_path / "run")
    whole = events(tmp_path / "run")
    with suppress(Killed), killed_at("th"):
        train(recipe, tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == whole or not is_done(PlannedRun("run", recipe), tmp_path / "run")


def test_a_baseline_that_is_killed_when_it_is_resumed(recipe: Recipe, tmp_path: Path) -> None:
    train(recipe, tmp_path / "run")
    whole = events(tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == whole
    (tmp_path / "run" / "state.json").unlink()  # as a kill of the first attempt leaves it
    with pytest.raises(Killed), killed_at("th"):
        train(recipe, tmp_path / "run", resume=True)
    assert 1 < len(events(tmp_path / "run")) < len(whole)
    assert not is_done(PlannedRun("run", recipe), tmp_path / "run")
    train(recipe, tmp_path / "run", resume=True)
    assert events(tmp_path / "run") == whole
    assert is_done(PlannedRun("run", recipe), tmp_path / "run")
