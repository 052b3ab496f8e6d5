"""Choices on runs whose figures are known: who chooses what, and what it costs."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthetic import recipe, write_run
from xlgen.experiments.choices import checkpoint_choices, rate_choices, searches
from xlgen.runs.rows import Results, load_results

CODES = ("fr", "zh")


def write(folder: Path, values: dict[int, dict[str, tuple[float, float, float | None]]], **changes: Any) -> None:
    """A run from {step: {language: (ROUGE-L, right language, XLRS)}}."""
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"recipe": recipe(**changes)}), encoding="utf-8")
    events = [
        {"event": "figure", "step": step, "language": code, "metric": metric, "value": value, "signature": ""}
        for step, languages in values.items()
        for code, found in languages.items()
        for metric, value in zip(("rougeL", "correct_language_rate", "xlrs"), found, strict=True)
        if value is not None
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """The source language improves throughout; the others are lost on the way, Chinese first."""
    low = {
        100: {"en": (20.0, 100.0, None), "fr": (15.0, 99.0, 0.50), "zh": (12.0, 98.0, 0.40)},
        200: {"en": (25.0, 100.0, None), "fr": (19.0, 97.0, 0.60), "zh": (11.0, 80.0, 0.65)},
        300: {"en": (30.0, 100.0, None), "fr": (9.0, 40.0, 0.80), "zh": (2.0, 10.0, 0.90)},
    }
    high = {
        step: {code: (v[0] + (code == "en"), v[1] / 10, v[2]) for code, v in row.items()} for step, row in low.items()
    }
    high = {step: {c: (v[0] / (1 if c == "en" else 9), *v[1:]) for c, v in row.items()} for step, row in high.items()}
    write(tmp_path / "runs" / "low", low, learning_rate=1e-4)
    write(tmp_path / "runs" / "high", high, learning_rate=1e-3)
    write_run(tmp_path / "runs" / "other", method="adapters")
    return load_results(tmp_path)


def test_a_search_is_what_differs_in_the_rate_alone(results: Results, tmp_path: Path) -> None:
    assert [[run.name for run in group] for group in searches(results)] == [["low", "high"]]
    write(tmp_path / "runs" / "seed", {1: {"en": (1.0, 1.0, None)}}, learning_rate=1e-5, seed=1)
    write(tmp_path / "runs" / "task", {1: {"en": (1.0, 1.0, None)}}, learning_rate=1e-5, task="pocket-titles")
    assert len(searches(load_results(tmp_path))) == 1


def test_checkpoints_by_language(results: Results) -> None:
    run = next(run for run in results.runs if run.name == "low")
    found = {choice.criterion: choice for choice in checkpoint_choices(results, run)}
    steps = {name: tuple(choice.steps[code] for code in CODES) for name, choice in found.items()}
    assert steps == {
        "source": (300, 300),
        "xlrs": (100, 100),
        "language-rate": (100, 100),
        "label-free": (200, 100),
        "label-free, xlrs": (100, 100),
        "target": (200, 100),
    }
    assert found["target"].mean == pytest.approx((19 + 12) / 2) and found["target"].regret == 0
    assert found["source"].regret == pytest.approx((10 + 10) / 2)
    assert found["xlrs"].regret == pytest.approx(2)
    assert found["label-free"].regret == 0


def test_a_language_of_which_a_criterion_knows_nothing_gets_the_choice_for_all(tmp_path: Path) -> None:
    values = {
        100: {"en": (20.0, 100.0, None), "fr": (15.0, 99.0, 0.5), "zh": (12.0, 98.0, None)},
        200: {"en": (25.0, 100.0, None), "fr": (19.0, 97.0, 0.6), "zh": (11.0, 80.0, None)},
    }
    write(tmp_path / "run", values)
    results = load_results(tmp_path / "run")
    (xlrs,) = (each for each in checkpoint_choices(results, results.runs[0]) if each.criterion == "xlrs")
    assert xlrs.steps == {"fr": 100, "zh": 100}


def test_rates_for_all_languages_together(results: Results) -> None:
    (group,) = searches(results)
    found = {choice.criterion: choice for choice in rate_choices(results, group)}
    taken = {name: (choice.runs["fr"].name, choice.steps["fr"]) for name, choice in found.items()}
    assert taken["source"] == ("high", 300)
    assert taken["target"] == ("low", 200)
    assert taken["label-free"] == ("low", 100)
    assert taken["language-rate"] == ("low", 100)
    assert found["label-free"].regret == pytest.approx(15 - 13.5)
    assert found["source"].regret == pytest.approx(15 - (9 + 2) / 9 / 2)


def test_criteria_without_their_figures_are_left_out(results: Results) -> None:
    run = next(run for run in results.runs if run.name == "other")
    assert "xlrs" not in {choice.criterion for choice in checkpoint_choices(results, run)}
