"""From labels in one language to a checkpoint for all: no other label is read, and whatever is chosen can be used."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from typer.testing import CliRunner

from synthetic import write_run
from xlgen.cli import app
from xlgen.core.config import Evaluation, Recipe
from xlgen.core.errors import describe_error
from xlgen.core.registry import InputError
from xlgen.data.examples import Record
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task, load_task
from xlgen.evaluation.evaluate import evaluation_examples
from xlgen.experiments.auto import METHODS, Decision, UndecidedError, auto, choose, label_free, plan
from xlgen.experiments.criteria import criteria
from xlgen.experiments.plan import PlannedRun
from xlgen.experiments.worker_pool import Worker
from xlgen.pocket import world
from xlgen.report.decision import decision_page
from xlgen.runs.rows import load_results, of_runs

CONSOLE = Console(stderr=True, quiet=True)
LANGUAGES = ("en", "th", "ar")


@pytest.fixture
def recipe(checkpoint: Callable[[str], Path], tmp_path: Path) -> Path:
    """Stories in three languages; only the English ones have titles."""
    frames = list(world.frames("train", 8))
    for code in LANGUAGES:
        stories = [world.render(frame, code) for frame in frames]
        rows = [
            {"id": i, "text": s.document} | ({"title": s.title} if code == "en" else {}) for i, s in enumerate(stories)
        ]
        for split in ("train", "validation"):
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (tmp_path / f"{code}.{split}.jsonl").write_text(text, encoding="utf-8")
    task = {
        "reader": {"name": "jsonl", "path": "{language}.{split}.jsonl"},
        "languages": list(LANGUAGES),
        "source": "{text}",
        "target": "title",
        "max_source_tokens": 64,
        "max_target_tokens": 48,
        "metrics": ["rougeL"],
        "main_metric": "rougeL",
        "parallel": True,
    }
    (tmp_path / "titles.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    run = {
        "name": "titles",
        "backbone": str(checkpoint("mt5")),
        "task": str(tmp_path / "titles.yaml"),
        "data_dir": str(tmp_path),
        "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300},
        "evaluation": {"every": 2, "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
    }
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(run), encoding="utf-8")
    return path


def read(path: Path, **changes: Any) -> Recipe:
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Recipe.model_validate({**data, **changes})


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_from_the_command_to_predictions(recipe: Path, tmp_path: Path) -> None:
    """Where other languages have no titles at all, none can have been read."""
    out = tmp_path / "out"
    command = ["train", str(recipe), "--auto", "--out", str(out), "--workers", "1"]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    decision = json.loads((out / "decision.json").read_text(encoding="utf-8"))
    results = load_results(out)
    assert {run.name.rsplit("-", 2)[0] for run in results.runs} == {"full", "adapters"}
    assert len(results.runs) >= 7
    run, choice = choose(results, criteria.build(decision["criterion"]))
    assert (run.name, choice.step) == (decision["run"], decision["step"])
    for each in results.runs:
        assert results.value(each, "en", "rougeL", 2) is not None
        assert results.value(each, "th", "rougeL", 2) is None
        assert results.value(each, "th", "correct_language_rate", 2) is not None
        assert results.value(each, "ar", "xlrs", 2) is not None
    page = (out / "decision.md").read_text(encoding="utf-8")
    assert "No labels outside the source languages were read" in page and f"`{run.name}`" in page
    assert all(name in page for name in ("Thai (th)", "Arabic (ar)", *(each.name for each in results.runs)))
    card = (out / "chosen" / "README.md").read_text(encoding="utf-8")
    assert yaml.safe_load(card.split("---")[1])["language"] == list(LANGUAGES)
    (tmp_path / "in.jsonl").write_text('{"text": "เรือจม"}\n', encoding="utf-8")
    files = ["--input", str(tmp_path / "in.jsonl"), "--output", str(tmp_path / "out.jsonl")]
    done = CliRunner().invoke(app, ["predict", str(out / "chosen"), "--language", "th", *files])
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out.jsonl").read_text(encoding="utf-8"))["language"] == "th"
    before = {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.jsonl")}
    assert CliRunner().invoke(app, command).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in out.glob("runs/*/metrics.jsonl")} == before


@pytest.mark.exhaustive
def test_a_lost_worker_is_no_reason_for_another_decision(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a worker dies each time, as for want of memory, there is no decision and the exit code says so."""

    class Dying(Worker):
        def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None], threads: int | None = None) -> int:
            def kill() -> None:
                if self.process and run.name == "adapters-1e-4":
                    self.process.kill()

            return super().train(run, folder, kill)

    monkeypatch.setattr("xlgen.experiments.worker_pool.Worker", Dying)
    monkeypatch.setattr("xlgen.experiments.worker_pool._POLL_SECONDS", 0.01)
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["train", str(recipe), "--auto", "--out", str(out), "--workers", "1"])
    assert isinstance(done.exception, UndecidedError) and describe_error(done.exception) is not None
    assert "adapters-1e-4: its worker died 4 times (SIGKILL" in str(done.exception)
    assert not (out / "decision.json").exists() and not (out / "chosen").exists()


class Guarded(dict[str, Any]):
    """A record that nobody may ask for its label."""

    def __getitem__(self, key: str) -> Any:
        assert key != "title", "a target reference was opened"
        return super().__getitem__(key)


class GuardedReader:
    """Gives the rows of another reader, guarded outside of English."""

    def __init__(self, reader: Any) -> None:
        self._reader, self.data_dir = reader, reader.data_dir

    def read(self, language: str, split: str) -> Iterator[Record]:
        for record in self._reader.read(language, split):
            fields = Guarded(record.fields) if language != "en" else record.fields
            yield Record(fields, record.where)


def test_no_target_reference_is_opened(tmp_path: Path) -> None:
    task = load_task("pocket-titles", tmp_path)
    guarded = Task(task.config, GuardedReader(task.reader))  # type: ignore[arg-type]
    free = Evaluation(examples=3, references="source")
    found = evaluation_examples(guarded, free, ("en",))
    assert {code for code, rows in found.items() if rows[0].targets} == {"en"}
    assert [row.source for row in found["th"]] == [row.source for row in task.examples("th", "validation", 3)]
    with pytest.raises(AssertionError, match="was opened"):
        evaluation_examples(guarded, Evaluation(examples=3), ("en",))


def test_labels_that_are_asked_for_and_missing_are_named(recipe: Path, tmp_path: Path) -> None:
    task = load_task(str(tmp_path / "titles.yaml"), tmp_path)
    with pytest.raises(DataError, match=r"th\.validation\.jsonl, line 1.*no field 'title'"):
        evaluation_examples(task, Evaluation(), ("en",))


def test_what_is_tried(recipe: Path) -> None:
    whole = read(recipe, adaptation={"method": "lora", "rank": 4}, training={"steps": 10, "keep_checkpoints": 1})
    study = plan(whole, 90, ({"method": "full"}, {"method": "lora", "rank": 8}))
    assert [run.name for run in study.runs] == ["lora", "full", "lora2"]
    for run in study.runs:
        (stage,) = run.recipe.stages
        assert stage.evaluation.references == "source" and stage.training.keep_checkpoints is None
    assert study.search is not None and study.search.criterion.model_dump(exclude_unset=True) == {
        "name": "label-free",
        "threshold": 90,
    }
    (stage,) = plan(read(recipe, evaluation={"every": None}, training={"steps": 11}), 95, ()).runs[0].recipe.stages
    assert stage.evaluation.every == 2


def test_a_default_that_is_written_makes_no_other_method(recipe: Path) -> None:
    study = plan(read(recipe, adaptation={"method": "adapters", "bottleneck_dim": 64}), 95, METHODS)
    assert [run.name for run in study.runs] == ["adapters", "full"]


def test_the_source_is_evaluated_whatever_the_recipe_lists(recipe: Path) -> None:
    """Without it each criterion would be minus infinity, and the lowest rate would be taken in silence."""
    (stage,) = plan(read(recipe, evaluation={"languages": ["french", "th"]}), 95, ()).runs[0].recipe.stages
    assert stage.evaluation.languages == ("en", "fr", "th")
    (stage,) = plan(read(recipe, evaluation={"languages": []}), 95, ()).runs[0].recipe.stages
    assert stage.evaluation.languages == ()


def test_no_task_and_no_time(recipe: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="trains on a task"):
        plan(read(recipe, baseline="lead"), 95, ())
    with pytest.raises(InputError, match="0 hours are not enough for one"):
        auto(read(recipe), tmp_path / "out", 1, CONSOLE, hours=0)


def test_a_decision_between_heads_speaks_of_no_language(tmp_path: Path) -> None:
    """Labels are in none: the better run at the source language wins, and not the lowest rate."""
    for name, strength, rate in (("runs/low", 10, 1e-5), ("runs/high", 24, 1e-3)):
        write_run(tmp_path / name, strength=strength, learning_rate=rate)
    runs = load_results(tmp_path).runs
    heads = of_runs(
        replace(run, figures=tuple(each for each in run.figures if each["metric"] != "correct_language_rate"))
        for run in runs
    )
    criterion = label_free(95.0)
    run, choice = choose(heads, criterion.build())
    assert run.name == "high"
    page = decision_page(Decision(run, choice, criterion, heads, (), ()))
    assert "The labels are not text" in page and "No run reached" not in page
    assert "share of outputs in the right language" not in page


def test_the_page_says_how_sure_the_choice_is(tmp_path: Path) -> None:
    """Each score is of 40 examples, and its interval is 2.5 points wide."""
    for name, strength, rate in (("best", 20, 1e-3), ("rival", 19.5, 1e-4), ("other", 12, 1e-5)):
        write_run(tmp_path / "runs" / name, strength=strength, learning_rate=rate, wrong=0)
    results, criterion = load_results(tmp_path), label_free(50.0)
    run, choice = choose(results, criterion.build())
    assert run.name == "best"
    page = decision_page(Decision(run, choice, criterion, results, (), ()))
    assert "Few examples were scored (English 40, French 40" in page
    assert "The choice between runs is not certain" in page and "includes `rival`" in page and "`other`" not in page
    assert page.count("Examples |") == 2 and "| 40 |" in page
    bare = of_runs(
        replace(each, figures=tuple({**figure, "low": None, "high": None, "n": 500} for figure in each.figures))
        for each in results.runs
    )
    page = decision_page(Decision(bare.runs[0], choose(bare, criterion.build())[1], criterion, bare, (), ()))
    assert "Few examples" not in page and "not certain" not in page and "There are no intervals" in page
