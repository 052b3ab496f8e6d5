"""`evaluation.at_start`: an evaluation before training, which changes nothing about the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import Recipe
from xlgen.experiments.criteria import best_step, criteria
from xlgen.runs.checkpoints import checkpoints_of, step_of
from xlgen.runs.rows import load_results as load_results
from xlgen.training.run import train


@pytest.fixture(scope="module")
def task_file(tiny_task: Callable[..., str]) -> str:
    return tiny_task(["en", "th", "ar"], size=16)


def recipe(task: str, tiny: Path, at_start: bool, **training: Any) -> Recipe:
    settings = {"steps": 4, "learning_rate": 1e-3, "warmup_steps": 1, "batch_tokens": 300, "dropout": 0.1, **training}
    evaluation = {"every": 2, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4}
    evaluation |= {"at_start": at_start, "xlrs": {"sentences": 3, "languages": ["th"]}}
    return Recipe.model_validate(
        {"name": "tiny", "backbone": str(tiny), "task": task, "training": settings, "evaluation": evaluation}
    )


def events(folder: Path) -> list[dict[str, Any]]:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    drop = ("time", "steps_per_second", "seconds")
    return [{k: v for k, v in json.loads(line).items() if k not in drop} for line in lines]


@pytest.mark.exhaustive
def test_training_is_what_it_is_without(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    plateau = {"metric": "correct_language_rate", "patience": 0}
    for name, at_start in (("with", True), ("without", False)):
        train(recipe(task_file, tiny_mt5, at_start, plateau=plateau), tmp_path / name)
    ours, plain = events(tmp_path / "with"), events(tmp_path / "without")
    assert [e for e in ours if e["step"] > 0] == [e for e in plain if e["step"] > 0]
    start = [e for e in ours if e["event"] == "figure" and e["step"] == 0]
    assert {e["language"] for e in start} == {"en", "th", "ar"}
    assert {(e["language"], e["metric"]) for e in start if e["metric"] == "xlrs"} == {("th", "xlrs")}
    assert (tmp_path / "with" / "predictions" / "step-0" / "th.jsonl").is_file()
    assert [step_of(path) for path in checkpoints_of(tmp_path / "with")] == [2, 4]


@pytest.mark.exhaustive
def test_it_is_no_choice_of_a_checkpoint(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """There is no checkpoint of step 0, so that nothing selects it however good it is."""
    train(recipe(task_file, tiny_mt5, True), tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    found = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for event in found:
        if event["event"] == "figure" and event["step"] == 0 and event["value"] is not None:
            event["value"] = -1.0 if event["metric"] == "xlrs" else 100.0
    log.write_text("".join(json.dumps(event) + "\n" for event in found), encoding="utf-8")
    results = load_results(tmp_path / "run")
    for name in ("source", "target", "xlrs", "language-rate", "label-free"):
        assert best_step(criteria.build(name), results, results.runs[0]).step in (2, 4), name


@pytest.mark.exhaustive
def test_a_resumed_run_has_it_once(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    whole, parted = tmp_path / "whole", tmp_path / "parted"
    train(recipe(task_file, tiny_mt5, True), whole)
    train(recipe(task_file, tiny_mt5, True), parted, until=2)
    train(recipe(task_file, tiny_mt5, True), parted, resume=True)
    assert events(parted) == events(whole)


@pytest.mark.exhaustive
def test_a_run_that_has_only_begun_is_no_baseline(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    train(recipe(task_file, tiny_mt5, True), tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines()
    log.write_text("".join(f"{line}\n" for line in lines if json.loads(line)["step"] == 0), encoding="utf-8")
    (run,) = load_results(tmp_path / "run").runs
    assert run.learning_rate == 1e-3
