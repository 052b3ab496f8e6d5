"""Run folders of others, or damaged ones: no wrong type in any file ends a command in a traceback."""

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from synthetic import know_the_sentences, write_run
from xlgen.cli import app
from xlgen.core.registry import InputError
from xlgen.report.build import build_report
from xlgen.report.samples import choose_samples
from xlgen.runs.recipes import read_resolved
from xlgen.runs.records import State, is_event, last_event, read_log, read_predictions, read_state
from xlgen.runs.rows import load_results
from xlgen.runs.run_discovery import discover_runs
from xlgen.runs.runs import find_runs

WRONG = [None, True, "x", -1, 3.5, 10**400, float("nan"), [], ["x"], {}, {"x": 1}, "\ud800", "x" * 100_000]


@pytest.fixture(autouse=True)
def known_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    know_the_sentences(monkeypatch)


def changed(data: Any, wrong: Any) -> Iterator[Any]:
    """``data`` with ``wrong`` in place of each of its values in turn, at any depth."""
    if isinstance(data, dict | list):
        for key in list(data) if isinstance(data, dict) else range(len(data)):
            for inner in changed(data[key], wrong):
                whole = copy.copy(data)
                whole[key] = inner
                yield whole
    yield wrong


@pytest.mark.spread(2)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:12])
def test_any_wrong_type_in_a_log_leaves_out_its_event_or_is_read(tmp_path: Path, wrong: Any) -> None:
    write_run(tmp_path / "run")
    file = tmp_path / "run" / "metrics.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()[:-1]]
    kinds = {line["event"]: line for line in lines}
    kinds["evaluated"] = {"event": "evaluated", "step": 600, "language": "th", "examples": 3, "cropped_sources": 1}
    for line in kinds.values():
        for bad in changed(line, wrong):
            file.write_text("".join(json.dumps(each) + "\n" for each in [bad, *lines]))
            results = load_results(tmp_path / "run", lambda text: None)
            assert results.rows
            json.dumps([run.cropped_evaluation for run in results.runs], allow_nan=False)


@pytest.mark.spread(1)
@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: repr(wrong)[:12])
def test_any_wrong_type_in_a_recipe_is_an_error_that_names_it_or_is_read(tmp_path: Path, wrong: Any) -> None:
    write_run(tmp_path / "good")
    write_run(tmp_path / "bad")
    file = tmp_path / "bad" / "recipe.yaml"
    whole = yaml.safe_load(file.read_text(encoding="utf-8"))
    for bad in changed(whole, wrong):
        file.write_text(json.dumps(bad), encoding="utf-8")
        faults: list[str] = []
        runs = find_runs(tmp_path, faults.append)
        assert len(runs) + len(faults) == 2
        assert all(str(file) in fault for fault in faults)
        assert {run.run for run in discover_runs(tmp_path)} >= {"good"}


@pytest.mark.exhaustive
@pytest.mark.undrawn
def test_a_damaged_run_is_left_out_of_the_report_and_named(study: Path) -> None:
    (study / "runs" / "full-1e-3" / "recipe.yaml").write_text("recipe: {stages: 3}")
    page = build_report(study).page.read_text(encoding="utf-8")
    assert "full-1e-3/recipe.yaml is not the resolved recipe of a run, or is damaged: recipe.stages" in page
    rows = json.loads((study / "summary.json").read_text(encoding="utf-8"))["rows"]
    assert {row["run"] for row in rows} == {path.name for path in (study / "runs").iterdir()} - {"full-1e-3"}


def test_a_study_of_damaged_runs_only_is_an_error(study: Path) -> None:
    for run in (study / "runs").iterdir():
        (run / "recipe.yaml").write_text("recipe: {stages: 3}")
    with pytest.raises(InputError, match="all of its 6 runs are damaged"):
        load_results(study, lambda text: None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"stage": true, "step": -1, "status": "gone"}', '{"step": 1e400}', "[" * 9999]
)
def test_a_damaged_state_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)
    assert read_state(tmp_path) == State()


def test_lines_that_are_no_event_are_counted_but_for_a_torn_end(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    good = json.dumps({"event": "step", "step": 3, "loss": 1.0})
    file.write_bytes(f'{good}\n{{"event": "step"}}\n[]\n{good}\n{{"text": "ไ'.encode()[:-1])
    found = read_log(file)
    assert [event["step"] for event in found.events] == [3, 3]
    assert found.damaged == 2
    assert last_event(file) == json.loads(good)
    assert last_event(tmp_path / "none") is None


@pytest.mark.parametrize("language", ["../../outside", "a/b", "", ".", "x" * 300, "a\n"])
def test_a_language_that_is_no_name_of_a_file_is_no_event(language: str) -> None:
    assert not is_event({"event": "figure", "step": 1, "language": language, "metric": "rougeL", "value": 1.0})


def test_any_wrong_type_in_predictions_leaves_out_its_row_or_is_shown(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    file = tmp_path / "run" / "predictions" / "step-600" / "th.jsonl"
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    whole = {**lines[0], "similarity": 0.5, "group": "g", "cropped_tokens": 3}
    bad = [each for wrong in WRONG for each in changed(whole, wrong)]
    file.write_text("".join(json.dumps(each) + "\n" for each in [*bad, *lines]), encoding="utf-8")
    found = read_predictions(file)
    assert len(lines) <= len(found) < len(lines) + len(bad)
    assert choose_samples(load_results(tmp_path / "run"), 10**6)


def test_a_later_format_is_refused_by_name(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    file = tmp_path / "run" / "recipe.yaml"
    file.write_text("format: 7\n" + file.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(InputError, match=r"recipe\.yaml has the format '7'.*update xlgen"):
        read_resolved(tmp_path / "run")


@pytest.mark.exhaustive
@pytest.mark.undrawn
@pytest.mark.parametrize("command", [["report"], ["analyze", "selection"], ["query"], ["analyze", "correlation"]])
def test_commands_survive_a_damaged_run_among_others(study: Path, command: list[str]) -> None:
    run = study / "runs" / "full-1e-4"
    (run / "metrics.jsonl").write_bytes(b'{"event": "figure", "step": "x"}\n\xe0\xb8')
    (run / "predictions" / "step-24.bak").mkdir()
    (study / "runs" / "full-1e-3" / "recipe.yaml").write_bytes(b"\xff\xfe")
    more = ["select count(*) as n from scores"] if command == ["query"] else []
    done = CliRunner().invoke(app, [*command, str(study), *more])
    assert done.exception is None or isinstance(done.exception, SystemExit | InputError), done.exception
