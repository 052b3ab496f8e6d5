"""Outputs of commands: never in what a run manages, nothing left after a refusal, errors that name the path given."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from synthetic import write_run
from xlgen.core.config import Recipe
from xlgen.core.outputs import check_no_run, is_run, replacing, undone_after_errors, whole_file
from xlgen.core.progress import NoProgress
from xlgen.core.registry import InputError
from xlgen.evaluation.evaluation_folder import evaluation_folder
from xlgen.runs.folder import FolderError
from xlgen.training.run import train

MANAGED = ("checkpoints", "predictions", "stages", "tables", "evaluations", "analysis")


def everything(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    write_run(tmp_path / "run")
    place = tmp_path / "run" / "checkpoints" / "step-600"
    place.mkdir(parents=True)
    (place / "checkpoint.json").write_text("{}", encoding="utf-8")
    assert is_run(tmp_path / "run")
    return tmp_path / "run"


COMMANDS: dict[str, tuple[str, ...]] = {
    "train": ("train", "pocket-mt5", "--out", "{out}"),
    "train --auto": ("train", "{recipe}", "--auto", "--out", "{out}"),
    "study": ("study", "pocket-grid", "--out", "{out}"),
    "quickstart": ("quickstart", "--out", "{out}"),
    "export": ("export", "{run}", "--to", "transformers", "--out", "{out}"),
    "query": ("query", "{run}", "select 1 as one", "--format", "csv", "--out", "{out}"),
    "score": ("score", "{rows}", "--faults", "{out}"),
    "analyze": ("analyze", "overlap", "pocket-labels", "--out", "{out}"),
    "tokenizer": ("tokenizer", "{{reader: pocket}}", "--family", "mt5", "--out", "{out}"),
}


@pytest.mark.spread(12)
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("place", ["checkpoints/step-600/x", "checkpoints", "predictions/step-600/x", "tables/x"])
def test_no_command_writes_into_what_a_run_manages(
    command: str, place: str, run: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"language": "fr", "prediction": "un", "references": ["un"]}\n', encoding="utf-8")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("{backbone: pocket-mt5, task: pocket-titles}", encoding="utf-8")
    before = everything(tmp_path)
    words = [text.format(out=run / place, run=run, rows=rows, recipe=recipe) for text in COMMANDS[command]]
    said = refused(*words)
    assert "choose another `" in said and str(run / place) in said
    assert everything(tmp_path) == before


def test_each_managed_folder_is_refused_by_link_and_by_name(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    (tmp_path / "elsewhere").mkdir()
    (run / "evaluations").symlink_to(tmp_path / "elsewhere")
    for name in MANAGED:
        for path in (run / name, run / name / "a" / "b", tmp_path / "link" / name / "a"):
            with pytest.raises(InputError, match=rf"would be in {name}/ of the run (run|link), which xlgen manages"):
                check_no_run(path, "--out")
    for path in (run / "exported", run / "mine" / "checkpoints", tmp_path / "checkpoints", tmp_path / "x"):
        check_no_run(path, "--out")
    check_no_run(run / "analysis" / "cka", "--out", allowed="analysis")
    with pytest.raises(InputError, match="in a checkpoint"):
        check_no_run(run / "checkpoints" / "step-600", "--out")


def test_a_recipe_of_the_user_s_own_makes_no_run(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("backbone: pocket-mt5", encoding="utf-8")
    check_no_run(tmp_path / "predictions" / "x.jsonl", "--output")


def test_a_study_takes_no_run_s_folder(run: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    before = everything(tmp_path)
    assert "run holds a run, and a study's report would replace its report" in refused(
        "study", "pocket-grid", "--out", run
    )
    assert everything(tmp_path) == before


@pytest.mark.spread(4)
@pytest.mark.parametrize(
    "command",
    [
        ("evaluate", "pocket-mt5", "--task", "pocket-titles", "--interpolate", "nan", "--out", "{new}"),
        ("evaluate", "pocket-mt5", "--task", "pocket-titles", "--control", "nothing", "--out", "{new}"),
        ("evaluate", "{damaged}", "--task", "pocket-titles", "--max-examples", "1", "--out", "{new}"),
        ("analyze", "cka", "pocket-mt5", "--languages", "fr,xx", "--out", "{new}"),
        ("analyze", "overlap", "absent-task", "--out", "{new}"),
        ("query", "{run}", "select cast(language as int) from scores", "--out", "{new}/x.csv"),
        ("score", "{run}/nothing.jsonl", "--faults", "{new}/labels.jsonl"),
        ("tokenizer", "{{reader: lines, path: absent.txt}}", "--family", "mt5", "--languages", "fr", "--out", "{new}"),
        ("train", "pocket-mt5", "training.steps=0", "--out", "{new}"),
    ],
    ids=lambda command: " ".join(command[:2]),
)
def test_a_refused_command_leaves_nothing(
    command: tuple[str, ...], run: Path, tmp_path: Path, refused: Callable[..., str]
) -> None:
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / "config.json").write_text('{"model_type": "mt5"}', encoding="utf-8")
    before = everything(tmp_path)
    refused(*(text.format(new=tmp_path / "new" / "er", run=run, damaged=damaged) for text in command))
    assert everything(tmp_path) == before


@pytest.fixture
def recipe(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str]) -> Callable[..., Recipe]:
    def make(**changes: Any) -> Recipe:
        evaluation = {"every": None, "examples": 1, "bootstrap": 0, "max_new_tokens": 2}
        training = {"steps": 1, "warmup_steps": 0, "batch_tokens": 300} | changes.pop("training", {})
        config = {"name": "r", "backbone": str(checkpoint("mt5")), "task": tiny_task(["en", "th"], 4)}
        return Recipe.model_validate({**config, "evaluation": evaluation, "training": training, **changes})

    return make


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"adaptation": "bitfit"}, "no bias vectors"), ({"training": {"batch_tokens": 3}}, "longer than a whole batch")],
)
def test_a_run_that_is_refused_before_a_step_leaves_nothing(
    changes: dict[str, Any], said: str, recipe: Callable[..., Recipe], tmp_path: Path
) -> None:
    asked = recipe(**changes)
    with pytest.raises(InputError, match=said):
        train(asked, tmp_path / "new" / "run")
    assert not (tmp_path / "new").exists()
    (tmp_path / "new").mkdir()
    with pytest.raises(InputError, match=said):
        train(asked, tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == [], "a folder that was there stays"


def test_a_lock_that_is_a_folder_is_named(recipe: Callable[..., Recipe], tmp_path: Path) -> None:
    (tmp_path / "run" / "run.lock").mkdir(parents=True)
    with pytest.raises(FolderError, match=r"run/run\.lock must be a lock file, but is a folder"):
        train(recipe(), tmp_path / "run")
    assert (tmp_path / "run" / "run.lock").is_dir()


def test_the_folder_of_an_evaluation_stays_once_it_holds_results(tmp_path: Path) -> None:
    from xlgen.core.config import Evaluation

    for name, kept in (("empty", False), ("full", True)):
        with (
            pytest.raises(InputError),
            evaluation_folder(tmp_path / "o" / name, tmp_path, "x", Evaluation(), {"shares": [1.0]}) as folder,
        ):
            if kept:
                (folder / "predictions").mkdir()
            raise InputError("later")
        assert (tmp_path / "o" / name).exists() == kept


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_errors_of_writing_name_the_user_s_path(run: Path, tmp_path: Path, refused: Callable[..., str]) -> None:
    folder = tmp_path / "folder.csv"
    folder.mkdir()
    assert f"cannot write {folder}: it is a folder" in refused("query", run, "select 1", "--out", folder)
    parquet = tmp_path / "folder.parquet"
    parquet.mkdir()
    assert f"cannot write {parquet}: it is a folder" in refused("query", run, "select 1", "--out", parquet)
    below = folder.with_name("file") / "x.csv"
    below.parent.write_text("", encoding="utf-8")
    assert f"cannot write {below}: a file is where a folder is needed above it" in refused(
        "query", run, "select 1", "--out", below
    )
    (run / "report.html").unlink(missing_ok=True)
    (run / "report.html").mkdir()
    assert f"{run / 'report.html'}: Is a directory" in refused("report", run)
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.exhaustive
def test_predict_names_the_file_that_failed(
    recipe: Callable[..., Recipe], tmp_path: Path, refused: Callable[..., str]
) -> None:
    train(recipe(), tmp_path / "run")
    source, folder = tmp_path / "in.jsonl", tmp_path / "out"
    source.write_text(json.dumps({"document": "It rains."}) + "\n", encoding="utf-8")
    folder.mkdir()
    words = ("predict", tmp_path / "run", "--language", "th", "--input")
    assert f"cannot write {folder}: it is a folder" in refused(*words, source, "--output", folder)
    below = source / "x.jsonl"
    assert f"cannot write {below}: a file is where a folder is needed above it" in refused(
        *words, source, "--output", below
    )
    assert "/dev/full: No space left" in refused(*words, source, "--output", "/dev/full")
    assert "no file" in refused(*words, tmp_path / "absent", "--output", tmp_path / "new" / "x.jsonl")
    assert not (tmp_path / "new").exists()


def test_what_is_undone_is_only_what_was_made(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with pytest.raises(KeyError), undone_after_errors(tmp_path / "old" / "a" / "b", ["mine"]):
        (tmp_path / "old" / "a" / "b").mkdir(parents=True)
        (tmp_path / "old" / "a" / "b" / "mine").write_text("", encoding="utf-8")
        raise KeyError
    assert list(tmp_path.iterdir()) == [tmp_path / "old"] and not list((tmp_path / "old").iterdir())
    with pytest.raises(KeyError), whole_file(tmp_path / "n" / "x") as file:
        file.write_text("half", encoding="utf-8")
        raise KeyError
    with replacing(tmp_path / "m" / "x") as text:
        text.write("whole")
    assert not (tmp_path / "n").exists() and (tmp_path / "m" / "x").read_text(encoding="utf-8") == "whole"


def test_resuming_a_finished_run_says_so_and_loads_nothing(
    recipe: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    class Listening(NoProgress):
        def say(self, text: str) -> None:
            said.append(text)

    asked = recipe()
    train(asked, tmp_path / "run", progress=Listening())
    assert any("reading the evaluation examples and the backbone" in text for text in said)
    assert "reading and tokenizing the training data" in said
    before, said[:] = {path: path.stat().st_mtime_ns for path in everything(tmp_path / "run")}, []
    monkeypatch.setattr("xlgen.backbones.loading.load", None)
    train(asked, tmp_path / "run", resume=True, progress=Listening())
    assert len(said) == 1 and "is finished: all 1 steps are done" in said[0] and "xlgen evaluate" in said[0]
    assert {path: path.stat().st_mtime_ns for path in everything(tmp_path / "run")} == before
