"""Runs, recipes and Python calls of commit f7a966d, the version before the Python API.

``fixtures/f7a966d/make.py`` made its runs, and says how. ``interrupted`` has the recipe of ``finished`` and was killed
after step 4.
"""

from __future__ import annotations

import json
import runpy
import shutil
from pathlib import Path
from typing import Any

import pytest

import xlgen
from xlgen.core.config import load_recipe
from xlgen.data.tasks import load_task
from xlgen.experiments.plan import load_study

FIXTURE = Path(__file__).parent / "fixtures" / "f7a966d"
RECIPES = sorted(path for path in (FIXTURE / "recipes").rglob("*.yaml") if path.parent.name != "tasks")
TASKS = sorted((FIXTURE / "recipes" / "tasks").glob("*.yaml"))
MACHINE = {"rel": 1e-4, "abs": 1e-4}
"""Tolerances of a loss that another machine computed. A different batch or dropout mask changes it by far more."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the runs."""
    folder = tmp_path_factory.mktemp("f7a966d")
    for name in ("finished", "interrupted", "study"):
        shutil.copytree(FIXTURE / name, folder / name)
    return folder


def summary(folder: Path) -> dict[tuple[Any, ...], Any]:
    """The value of every row of ``summary.json`` with its interval."""
    rows = json.loads((folder / "summary.json").read_text(encoding="utf-8"))["rows"]
    keys = ("method", "learning_rate", "step", "language", "metric")
    return {tuple(row[key] for key in keys): (row["value"], row["low"], row["high"], row["n"]) for row in rows}


@pytest.mark.parametrize("name", ["finished", "study"])
def test_reports_have_the_scores_that_the_old_version_reported(name: str, runs: Path) -> None:
    before = summary(FIXTURE / name)
    page = xlgen.build_report(runs / name)
    found = summary(runs / name)
    assert before.items() <= found.items()
    assert "ROUGE-L" in page.read_text(encoding="utf-8")


def test_an_interrupted_run_is_reported(runs: Path) -> None:
    found = xlgen.Run(runs / "interrupted").metrics
    assert {row["step"] for row in found} == {4}


@pytest.mark.parametrize("name", ["finished", "study/runs/lora"])
def test_checkpoints_generate_what_they_generated(name: str, runs: Path) -> None:
    run = xlgen.Run(runs / name)
    step = run.checkpoints[-1].name
    found = xlgen.evaluate(
        run, split="test", max_examples=3, languages=["en", "fr", "th"], out=runs / "evaluated" / name
    )
    for language in ("en", "fr", "th"):
        before = predictions(FIXTURE / name / "predictions" / step / f"{language}.jsonl")
        assert predictions(found.folder / "predictions" / f"{language}.jsonl") == before


def predictions(file: Path) -> list[str]:
    return [json.loads(line)["prediction"] for line in file.read_text(encoding="utf-8").splitlines()]


def losses(folder: Path) -> dict[int, float]:
    events = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return {event["step"]: event["loss"] for event in events if event["event"] == "step"}


def test_resuming_an_interrupted_run_gives_the_losses_of_the_uninterrupted_one(runs: Path) -> None:
    shutil.copytree(runs / "interrupted", runs / "resumed")
    run = xlgen.train(FIXTURE / "run.yaml", out=runs / "resumed", resume=True)
    assert losses(run.folder) == pytest.approx(losses(FIXTURE / "finished"), **MACHINE)
    assert [path.name for path in run.checkpoints] == ["step-4", "step-8"]
    events = (run.folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert '"event": "start"' in events and '"step": 8' in events
    for language in ("en", "fr", "th"):
        file = Path("predictions") / "step-8" / f"{language}.jsonl"
        assert predictions(run.folder / file) == predictions(FIXTURE / "finished" / file)


def test_a_finished_study_is_not_trained_again(runs: Path) -> None:
    done = xlgen.study(FIXTURE / "study.yaml", out=runs / "study", workers=1)
    assert not done.failed and [run.folder.name for run in done.runs] == ["layernorm", "lead", "lora"]
    for run in done.runs:
        before = FIXTURE / "study" / "runs" / run.folder.name / "metrics.jsonl"
        assert (run.folder / "metrics.jsonl").read_bytes() == before.read_bytes()


def test_query_takes_a_folder_and_a_statement() -> None:
    found = xlgen.query(FIXTURE, "select run, count(*) as n from steps group by run order by run")
    assert found == [
        {"run": "finished", "n": 8},
        {"run": "interrupted", "n": 4},
        {"run": "layernorm", "n": 2},
        {"run": "lora", "n": 2},
    ]
    best = "select max(value) as best from figures where metric = 'rougeL' and language = 'fr' and run = 'finished'"
    known = [each[0] for key, each in summary(FIXTURE / "finished").items() if key[3:] == ("fr", "rougeL")]
    assert xlgen.query(str(FIXTURE), best) == [{"best": max(known)}]


def test_score_takes_the_old_arguments_by_position() -> None:
    rows = runpy.run_path(str(FIXTURE / "make.py"))["SCORED"]
    found = xlgen.score(rows, ["rougeL", "language_rate"], ("language",), None, 50, 3)
    before = json.loads((FIXTURE / "scores.json").read_text(encoding="utf-8"))
    names = {row["metric"] for row in before}
    assert [dict(row) for row in found if row["metric"] in names] == before
    assert xlgen.score(rows, metrics=["rougeL"], by=(), language="fr", bootstrap=0, seed=0, subset=None, strict=False)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_old_version_are_read(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "\nbase:" in text:
        assert load_study(str(path)).runs
    else:
        assert load_recipe(str(path)).stages


@pytest.mark.parametrize("path", TASKS, ids=lambda path: path.stem)
def test_tasks_of_the_old_version_are_read(path: Path) -> None:
    assert load_task(str(path), Path()).languages
