"""What a dry run says: states, times from measured steps, and why something cannot be measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from xlgen.cli import app
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.experiments.estimate import Rates, estimate, inputs, seconds
from xlgen.experiments.execute import execute
from xlgen.experiments.plan import Study, load_study


@pytest.fixture
def file(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path) -> Path:
    base = {
        "backbone": str(checkpoint("mt5")),
        "task": tiny_task(["en", "th"]),
        "training": {"steps": 3, "warmup_steps": 0, "batch_tokens": 300},
        "evaluation": {"every": 2, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
    }
    runs: dict[str, Any] = {
        "first": {},
        "second": {"training.learning_rate": 1e-3, "seed": 1},
        "bad": {"source_languages": ["de"]},
        "lead": {"baseline": "lead"},
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "base": base, "runs": runs}, sort_keys=False), encoding="utf-8")
    return path


@pytest.mark.exhaustive
def test_states_and_kinds(file: Path, tmp_path: Path) -> None:
    study, measured = load_study(str(file)), []
    found = {each.run.name: each for each in estimate(study, tmp_path / "out", 1, measured.append)}
    lines = [
        f"measuring 4 steps of {name}, {i} of 3 kinds of runs" for i, name in enumerate(("first", "bad", "lead"), 1)
    ]
    assert measured == lines, "two runs are of one kind"
    assert found["first"].status == "missing" and found["first"].seconds == found["second"].seconds
    assert 0 < (found["first"].seconds or 0) < 60
    assert found["bad"].seconds is None and "'de'" in found["bad"].why
    assert not (tmp_path / "out").exists(), "nothing is left behind"
    console = Console(stderr=True, quiet=True)
    execute(Study("tiny", study.runs[:1]), tmp_path / "out", 1, console)
    again = {each.run.name: each for each in estimate(study, tmp_path / "out", 1)}
    assert (again["first"].status, again["first"].seconds) == ("done", 0.0)
    assert again["second"].status == "missing"


@pytest.mark.exhaustive
def test_the_command(file: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["study", str(file), "--out", str(tmp_path / "out"), "--dry-run", "--only", "lead"])
    assert done.exit_code == 0, done.output
    assert "1 of 1 runs are left; about" in done.output


def test_nothing_is_measured_where_that_is_asked(file: Path, tmp_path: Path) -> None:
    words = ["study", str(file), "--out", str(tmp_path / "out"), "--no-measure"]
    done = CliRunner().invoke(app, [*words, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "4 of 4 runs are left" in done.output and "about" not in done.output
    assert done.output.count("not measured") == 4
    with pytest.raises(InputError, match="--no-measure has no effect without --dry-run"):
        CliRunner().invoke(app, words, catch_exceptions=False)


RATES = Rates(loading=10, step=2, generated=0.5)


@pytest.mark.parametrize(
    ("changes", "done", "wanted"),
    [
        ({}, 0, 10 + 100 * 2 + 4 * 12 * 0.5 * 5),
        ({}, 60, 10 + 40 * 2 + 2 * 12 * 0.5 * 5),
        ({"evaluation": {"every": None, "examples": 5}}, 0, 10 + 100 * 2 + 12 * 0.5 * 5),
        ({"evaluation": {"every": 40, "examples": 5}}, 0, 10 + 100 * 2 + 3 * 12 * 0.5 * 5),
        ({"evaluation": {"every": 25, "examples": None, "languages": ["fr"]}}, 0, 10 + 100 * 2 + 4 * 1000 * 0.5),
        ({"baseline": "lead"}, 0, 10 + 12 * 0.5 * 5),
    ],
)
def test_seconds(changes: dict[str, Any], done: int, wanted: float) -> None:
    data = {
        "name": "run",
        "backbone": "pocket-mt5",
        "task": "pocket-titles",
        "training": {"steps": 100},
        "evaluation": {"every": 25, "examples": 5},
    }
    recipe = Recipe.model_validate({**data, **changes})
    assert seconds(recipe, RATES, done) == pytest.approx(wanted)


def test_stages_before_the_last_count_until_they_are_done() -> None:
    stage = {"task": "pocket-titles", "training": {"steps": 100}, "evaluation": {"every": None, "examples": 1}}
    recipe = Recipe.model_validate({"name": "run", "backbone": "pocket-mt5", "stages": [stage, stage]})
    assert inputs(recipe.stages[1], recipe) == 12
    assert seconds(recipe, RATES) == pytest.approx(10 + 200 * 2 + 6)
    assert seconds(recipe, RATES, done=1) == pytest.approx(10 + 99 * 2 + 6)


def test_what_pauses_takes_as_long_as_to_the_pause() -> None:
    data = {"name": "x", "backbone": "pocket-mt5", "task": "pocket-titles", "training": {"steps": 100}}
    recipe = Recipe.model_validate({**data, "evaluation": {"every": 10, "examples": 3}})
    whole, part = seconds(recipe, RATES), seconds(recipe, RATES, until=40)
    assert (part - RATES.loading) / (whole - RATES.loading) == pytest.approx(0.4)
    assert seconds(recipe, RATES, done=40, until=40) == RATES.loading
