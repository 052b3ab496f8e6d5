import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from synthetic import know_the_sentences, write_run, write_study
from xlgen.core.registry import InputError
from xlgen.report import report_tables
from xlgen.report.build import Report, build_report
from xlgen.report.formats import to_terminal
from xlgen.runs import runs

pytestmark = pytest.mark.undrawn


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Report]:
    """A study and its report, for tests that only read them."""
    study = write_study(tmp_path_factory.mktemp("built"))
    with pytest.MonkeyPatch.context() as patch:
        know_the_sentences(patch)
        return study, build_report(study)


def test_everything_lies_beside_the_page(built: tuple[Path, Report]) -> None:
    study, report = built
    page = report.page
    assert page == study / "report.html"
    tables = {
        f"tables/{name}.{end}"
        for name in ("runs", "verdict", "languages", "searches", "checkpoints", "methods", "regret", "faults")
        for end in ("csv", "md", "tex")
    }
    found = {str(path.relative_to(study)) for path in study.rglob("*") if path.is_file() and "runs" not in path.parts}
    assert found | tables | {"report.html", "summary.json"} == found
    assert not list(study.rglob("*.tmp"))


def test_csv_and_summary_say_the_same(built: tuple[Path, Report]) -> None:
    study, _ = built
    rows = json.loads((study / "summary.json").read_text(encoding="utf-8"))["rows"]
    values = {(row["run"], row["step"], row["language"], row["metric"]): row for row in rows}
    runs = _csv(study / "tables" / "runs.csv")
    folders = {row["run"]: (row["folder"], int(row["steps"])) for row in runs}
    compared = 0
    for row in _csv(study / "tables" / "languages.csv"):
        for column, metric in (("score", row["metric"]), ("correct_language_rate", "correct_language_rate")):
            figure = values[(*folders[row["run"]], row["language"], metric)]
            assert [float(row[column + end]) for end in ("", "_low", "_high")] == [
                figure[k] for k in ("value", "low", "high")
            ]
            compared += 1
    for row in _csv(study / "tables" / "verdict.csv"):
        figure = values[(*folders[row["run"]], "mean-non-source", row["metric"])]
        assert float(row["others"]) == figure["value"]
    assert compared == 2 * 6 * 12


@pytest.mark.exhaustive
def test_a_single_run_has_a_report(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    assert build_report(tmp_path / "run").page == tmp_path / "run" / "report.html"
    # With the report in it, the folder is still one run.
    assert build_report(tmp_path / "run").page.exists()


@pytest.mark.exhaustive
def test_runs_without_figures_are_listed(study: Path) -> None:
    write_run(study / "runs" / "late", method="prompt")
    (study / "runs" / "late" / "metrics.jsonl").unlink()
    assert "prompt" in build_report(study).page.read_text(encoding="utf-8")
    assert len(_csv(study / "tables" / "runs.csv")) == 7
    assert len(_csv(study / "tables" / "verdict.csv")) == 6


def test_the_terminal_shows_the_verdict(built: tuple[Path, Report]) -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    verdict = built[1].verdict
    assert verdict is not None
    console.print(to_terminal(verdict))
    text = console.export_text()
    assert "Verdict: pocket-summaries, ROUGE-L" in text
    assert "24.0 ✗" in text


TABLES = (
    *("comparison_table", "choice_tables", "faults_table", "languages_table", "methods_table", "protocol_table"),
    *("regret_table", "runs_table", "verdict_table"),
)


def test_each_run_is_read_once_and_each_table_computed_once(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For the files, the page and the terminal together; with a second task, once more for each task's section."""
    calls: Counter[str] = Counter()

    def counted(module: Any, function: str, name: Callable[..., str]) -> None:
        original = getattr(module, function)

        def call(*arguments: Any, **named: Any) -> Any:
            calls[name(*arguments)] += 1
            return original(*arguments, **named)

        monkeypatch.setattr(module, function, call)

    counted(runs, "read_log", str)
    counted(runs, "read_state", str)
    counted(runs, "read_resolved", lambda folder: f"{folder}/recipe.yaml")
    for table in TABLES:
        counted(report_tables, table, lambda results, table=table: table)
    build_report(study)
    folders = [path.parent for path in study.glob("runs/*/recipe.yaml")]
    assert set(calls) == {*TABLES} | {
        str(each) for folder in folders for each in (folder, folder / "metrics.jsonl", folder / "recipe.yaml")
    }
    assert set(calls.values()) == {1}
    write_run(study / "runs" / "other", task="pocket-titles")
    calls.clear()
    build_report(study)
    assert {calls[table] for table in TABLES} == {1, 3} and calls["runs_table"] == 1
    assert {count for name, count in calls.items() if name not in TABLES} == {1}


def test_nothing_to_report_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no run"):
        build_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.exhaustive
def test_the_report_does_without_torch_and_training(study: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from xlgen.report.build import Report, build_report;"
        "build_report(Path(sys.argv[1]));"
        "assert not {'torch', 'transformers', 'xlgen.training', 'matplotlib.pyplot'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(study)], check=True)


def _csv(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
