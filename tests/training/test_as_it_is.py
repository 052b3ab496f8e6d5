"""`xlgen evaluate BACKBONE`: a model that nothing has been trained on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from xlgen.cli import app
from xlgen.core.config import Evaluation, Recipe, TrackedText
from xlgen.core.registry import InputError
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.evaluation.scored import evaluate_backbone, is_backbone
from xlgen.training.run import train


@pytest.fixture(scope="module")
def task_file(tiny_task: Callable[..., str]) -> str:
    return tiny_task(["en", "th", "ar"], size=12)


def values(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    return {(row["language"], row["metric"]): row["value"] for row in rows if row["step"] == 0 or "run" not in row}


@pytest.mark.exhaustive
def test_it_is_what_a_run_measures_before_training(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    xlrs = TrackedText(sentences=3, languages=("th",))
    evaluation = Evaluation(split="test", examples=2, bootstrap=0, max_new_tokens=4, xlrs=xlrs, at_start=True)
    rows, folder = evaluate_backbone(str(tiny_mt5), evaluation, task_file, out=tmp_path / "as-it-is")
    recipe = {"name": "x", "backbone": str(tiny_mt5), "task": task_file, "evaluation": evaluation.model_dump()}
    train(Recipe.model_validate({**recipe, "training": {"steps": 1, "batch_tokens": 300}}), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = [event for event in map(json.loads, lines) if event["event"] == "figure" and event["step"] == 0]
    assert values(rows) == pytest.approx(values(logged), abs=1e-5)
    assert {(row["method"], row["step"]) for row in rows} == {("pretrained", 0)}
    assert ("th", "xlrs") in values(rows) and ("ar", "xlrs") not in values(rows)
    assert (folder / "predictions" / "th.jsonl").is_file() and (folder / "summary.json").is_file()


@pytest.mark.exhaustive
def test_a_run_is_measured_on_the_same_texts(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    recipe = {"name": "x", "backbone": str(tiny_mt5), "task": task_file, "training": {"steps": 1, "batch_tokens": 300}}
    xlrs = {"sentences": 3, "languages": ["th"]}
    settings = {"split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4, "xlrs": xlrs}
    train(Recipe.model_validate({**recipe, "evaluation": settings}), tmp_path / "run")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    logged = list(map(json.loads, lines))
    (ours,) = [event for event in logged if event.get("metric") == "xlrs"]
    rows, _ = evaluate_checkpoint(tmp_path / "run", Evaluation.model_validate(settings))
    (again,) = [row for row in rows if row["metric"] == "xlrs"]
    assert again["value"] == pytest.approx(ours["value"], abs=1e-6)
    assert again["signature"] == ours["signature"]


@pytest.mark.exhaustive
def test_the_command(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    command = ["evaluate", str(tiny_mt5), "--task", task_file, "--languages", "en,th", "--max-examples", "1"]
    more = ["--xlrs", "{sentences: 2}", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*command, *more])
    assert done.exit_code == 0, done.output
    rows = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))["rows"]
    assert {row["method"] for row in rows} == {"pretrained"}
    assert "xlrs" in {row["metric"] for row in rows}


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "name one with `task` (--task)"),
        (["--task", "pos-pud"], "has no head"),
        (["--task", "pocket-titles", "--interpolate", "0,1"], "a backbone has no others"),
    ],
)
def test_what_a_backbone_cannot_have(tiny_mt5: Path, more: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["evaluate", str(tiny_mt5), *more])
    assert done.exit_code != 0
    assert message in done.output + str(done.exception)
    assert isinstance(done.exception, InputError | SystemExit)


def test_what_counts_as_a_backbone(tiny_mt5: Path, tmp_path: Path) -> None:
    assert is_backbone(tiny_mt5)
    assert is_backbone(Path("pocket-mt5"))
    assert is_backbone(Path("google/mt5-base"))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "config.json").write_text("{}")
    assert not is_backbone(tmp_path)
    assert not is_backbone(tmp_path / "nothing" / "here" / "at" / "all")
