"""Every evaluation has the confidence in each source language: of runs, of baselines, of `xlgen evaluate`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthetic import write_run
from xlgen.core.config import Evaluation, Recipe
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.report.published_comparison import comparison_table
from xlgen.report.tables import metric_name
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import find_checkpoint
from xlgen.runs.rows import load_results as load_results
from xlgen.training.run import train


def recipe(task: str, tiny: Path, **changes: Any) -> Recipe:
    training = {"steps": 2, "warmup_steps": 1, "batch_tokens": 300}
    evaluation = {"split": "test", "examples": 3, "bootstrap": 0, "max_new_tokens": 6}
    whole = {"name": "tiny", "backbone": str(tiny), "task": task, "training": training, "evaluation": evaluation}
    return Recipe.model_validate({**whole, **changes})


def measured(folder: Path) -> dict[str, set[str]]:
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    found: dict[str, set[str]] = {}
    for event in events:
        if event["event"] == "figure" and event["metric"].startswith("lid_confidence_"):
            found.setdefault(event["language"], set()).add(event["metric"])
    return found


@pytest.mark.exhaustive
def test_runs_and_evaluate(tiny_task: Callable[..., str], tiny_mt5: Path, tmp_path: Path) -> None:
    """Of a source language itself it is the ordinary confidence, and not there twice."""
    task = tiny_task(["en", "th", "ar"], size=12)
    train(recipe(task, tiny_mt5, source_languages=["en", "th"]), tmp_path / "run")
    expected = {
        "en": {"lid_confidence_th"},
        "th": {"lid_confidence_en"},
        "ar": {"lid_confidence_en", "lid_confidence_th"},
    }
    assert measured(tmp_path / "run") == expected
    (run,) = load_results(tmp_path / "run").runs
    assert not [metric for metric in run.metrics if metric.startswith("lid_")]  # the task is not about these
    rows, _ = evaluate_checkpoint(tmp_path / "run", Evaluation(split="test", examples=2, bootstrap=0))
    again: dict[str, set[str]] = {}
    for row in rows:
        if row["metric"].startswith("lid_confidence_"):
            again.setdefault(row["language"], set()).add(row["metric"])
    assert again == expected
    assert list(read_about(find_checkpoint(tmp_path / "run")).source_languages) == ["en", "th"]


def test_baselines(tiny_task: Callable[..., str], tiny_mt5: Path, tmp_path: Path) -> None:
    """LEAD-64 has its columns LID_EN too (Vu et al. 2022, Table 10)."""
    task = tiny_task(["en", "th"], size=12)
    train(recipe(task, tiny_mt5, baseline="lead"), tmp_path / "lead")
    assert measured(tmp_path / "lead") == {"th": {"lid_confidence_en"}}


def test_the_published_columns_have_ours_next_to_them(tmp_path: Path) -> None:
    """Vu et al., Table 10, RU LID_EN; Li and Murray, Table 9, FR LID_DE."""
    vu = {("en", "sp_rougeLsum"): 30.0, ("ru", "sp_rougeLsum"): 10.0, ("ru", "lid_confidence_en"): 40.0}
    li = {("fr", "rougeL"): 20.0, ("fr", "lid_confidence_de"): 60.0}
    settings = {"backbone": "google/mt5-base"}
    for name, values, changes in (
        ("vu", vu, {"task": "wikilingua", "report_as": "model", **settings}),
        ("li", li, {"task": "mtg-titles", "source_languages": ["de"], **settings}),
    ):
        write_run(tmp_path / "runs" / name, **changes)
        events = [
            {"event": "figure", "step": 5, "language": code, "metric": metric, "value": value, "signature": "x"}
            for (code, metric), value in values.items()
        ]
        log = tmp_path / "runs" / name / "metrics.jsonl"
        log.write_text("".join(json.dumps(event) + "\n" for event in [{"event": "step", "step": 5}, *events]))
    rows = {
        (row["paper"].value, row["metric"].value, row["language"].value): (row["ours"].value, row["theirs"].value)
        for row in comparison_table(load_results(tmp_path)).rows
    }
    assert rows["Vu+22, Table 10, BASE MODEL", "lid_confidence_en", "ru"] == (40.0, 79.0)
    assert rows["Li+23, Table 9, DE", "lid_confidence_de", "fr"] == (60.0, 67.7)
    assert metric_name("lid_confidence_en") == "LID confidence: English"
