"""Choices made on one half of the examples and judged on the other."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from synthetic import LANGUAGES, recipe
from xlgen.cli.console import app
from xlgen.core.registry import InputError
from xlgen.experiments.two_fold_selection import checkpoints_on_halves, halves, rates_on_halves
from xlgen.runs.rows import Results, load_results

CODES = ("en", "fr", "th", "ar")
GOOD, BAD = "right", "wrong"


def write(folder: Path, steps: dict[int, str], count: int = 8, **changes: Any) -> None:
    """A run from {step: which examples it gets right: all, even, odd or none}; elsewhere it answers in English."""
    (folder / "predictions").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"recipe": recipe(**changes)}), encoding="utf-8")
    events = []
    for step, kind in steps.items():
        for code in CODES:
            right = [kind == "all" or (kind == ("even", "odd")[i % 2]) or code == "en" for i in range(count)]
            rows = [
                {
                    "id": str(i), "language": code, "input": "…", "references": [LANGUAGES[code]],
                    **dict.fromkeys(("prediction", "raw"), LANGUAGES[code] if good else "A wholly other sentence"),
                }
                for i, good in enumerate(right)
            ]  # fmt: skip
            path = folder / "predictions" / f"step-{step}" / f"{code}.jsonl"
            path.parent.mkdir(exist_ok=True)
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
            share = 100 * sum(right) / count
            figures = {"rougeL": share, "correct_language_rate": share, "xlrs": 0.1 * step}
            events += [
                {"event": "figure", "step": step, "language": code, "metric": metric, "value": value, "signature": ""}
                for metric, value in figures.items()
            ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")


def test_a_half_s_figures_are_those_of_its_examples(tmp_path: Path) -> None:
    write(tmp_path / "run", {1: "even", 2: "all", 3: "none"})
    even, odd = halves(load_results(tmp_path / "run"))
    for half, first in ((even, 100.0), (odd, 0.0)):
        (run,) = half.runs
        values = {
            (step, m): half.value(run, "th", m, step) for step in (1, 2, 3) for m in ("rougeL", "correct_language_rate")
        }
        assert values == {
            (1, "rougeL"): first, (2, "rougeL"): 100, (3, "rougeL"): 0,
            (1, "correct_language_rate"): first, (2, "correct_language_rate"): 100, (3, "correct_language_rate"): 0,
        }  # fmt: skip
        assert half.value(run, "th", "xlrs", 3) == pytest.approx(0.3), "what is of no prediction stays"


def test_what_looks_best_on_one_half_need_not_be_on_the_other(tmp_path: Path) -> None:
    write(tmp_path / "run", {1: "even", 2: "odd", 3: "none"})
    both = halves(load_results(tmp_path / "run"))
    found = {choice.criterion: choice for choice in checkpoints_on_halves(both, "run")}
    # Target labels take step 1 by the even ones, where the odd ones are all wrong, and the other way round.
    assert found["target"].values == dict.fromkeys(("ar", "fr", "th"), 0.0)
    # The lowest XLRS is step 1's in both: right on one half of the examples.
    assert found["xlrs"].values == dict.fromkeys(("ar", "fr", "th"), 50.0)
    assert found["xlrs"].regret == -50 and found["target"].regret == 0


def test_rates(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "low", {1: "none", 2: "all"}, learning_rate=1e-4)
    write(tmp_path / "runs" / "high", {1: "none", 2: "none"}, learning_rate=1e-2)
    write(tmp_path / "runs" / "bare", {1: "all"}, count=1)
    results = load_results(tmp_path)
    both = halves(results)
    assert [run.name for run in both[0].runs] == ["high", "low"], "one example makes no two halves"
    found = {choice.criterion: choice.mean for choice in rates_on_halves(both, ["low", "high"])}
    assert found["label-free"] == found["target"] == found["language-rate"] == 100
    assert found["xlrs"] == 0


def test_the_command(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "low", {1: "even", 2: "all"}, learning_rate=1e-4)
    write(tmp_path / "runs" / "high", {1: "none", 2: "odd"}, learning_rate=1e-2)
    done = CliRunner().invoke(app, ["analyze", "selection", str(tmp_path)])
    assert done.exit_code == 0, done.output
    tables = {path.name for path in (tmp_path / "tables").iterdir()}
    assert {
        f"{name}-on-halves.{kind}" for name in ("choices", "rates", "checkpoints") for kind in ("csv", "md", "tex")
    } == tables
    rows = (tmp_path / "tables" / "choices-on-halves.csv").read_text(encoding="utf-8").splitlines()
    (target,) = (row for row in rows if row.startswith("target labels"))
    assert target.split(",")[1:] == ["1", "100.0", "0.0", "0.0", "2", "75.0", "0.0", "0.0"]


def test_one_evaluation_is_no_choice(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "one", {1: "all"}, learning_rate=1e-4)
    done = CliRunner().invoke(app, ["analyze", "selection", str(tmp_path)])
    assert isinstance(done.exception, InputError)
    assert "there is nothing to select from" in str(done.exception)


def test_without_predictions(tmp_path: Path) -> None:
    write(tmp_path / "run", {1: "all"}, count=1)
    results: Results = load_results(tmp_path)
    with pytest.raises(InputError, match="a run with predictions"):
        halves(results)


def test_documents_of_a_query_are_in_one_half(tmp_path: Path) -> None:
    """Its figure is of the whole query: 100 of the even ones, which are ranked right, and not of the odd ones."""
    write(tmp_path / "run", {1: "all"}, task="pocket-passages")
    rows = [
        {
            "id": str(n), "language": "th", "input": "…", "group": f"ถาม {n // 3}", "references": [str(n % 3)],
            **dict.fromkeys(("prediction", "raw"), str(n % 3 if n // 3 % 2 == 0 else 2 - n % 3)),
        }
        for n in range(12)
    ]  # fmt: skip
    path = tmp_path / "run" / "predictions" / "step-1" / "th.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text(log.read_text(encoding="utf-8").replace('"rougeL"', '"xglue_ndcg"'), encoding="utf-8")
    even, odd = halves(load_results(tmp_path / "run"))
    assert even.value(even.runs[0], "th", "xglue_ndcg", 1) == 100
    assert (odd.value(odd.runs[0], "th", "xglue_ndcg", 1) or 0) < 80


@pytest.mark.exhaustive
def test_regret_that_is_not_known_is_said(tmp_path: Path) -> None:
    write(tmp_path / "run", {1: "even", 2: "all"})
    done = CliRunner().invoke(app, ["analyze", "selection", str(tmp_path / "run")])
    assert done.exit_code == 0 and "mean regret" in done.output and "not known" not in done.output
    log = tmp_path / "run" / "metrics.jsonl"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    kept = [event for event in events if event["metric"] != "rougeL" or event["language"] == "en"]
    log.write_text("".join(json.dumps(event) + "\n" for event in kept), encoding="utf-8")
    for file in (tmp_path / "run" / "predictions").rglob("*.jsonl"):
        rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        if file.stem != "en":
            rows = [{**row, "references": []} for row in rows]
        file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    done = CliRunner().invoke(app, ["analyze", "selection", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert "mean regret" not in done.output
    assert "Checkpoints: regret is not known: it is relative to the choice by target labels" in done.output
    from xlgen.report.build import build_report

    assert "Regret is not known" in build_report(tmp_path / "run").page.read_text(encoding="utf-8")
