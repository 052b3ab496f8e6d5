"""`xlgen query`: SQL over what runs have left, be they done, killed, damaged or not begun."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import xlgen
from xlgen.api.query import query
from xlgen.cli import main
from xlgen.cli.query import MOST_ROWS
from xlgen.core.registry import InputError
from xlgen.experiments.query import QueryError, open_query
from xlgen.experiments.views import VIEWS, definition
from xlgen.runs.rows import MEAN, collect
from xlgen.runs.run_discovery import discover_runs

# Among them what splits a line for some, and changes the terminal's colours.
TEXTS = {
    "en": "The boat\u2028sinks\x85and \x1b[31m'all'\nare saved",
    "ar": "غرق القارب و<أُنقذ> الطاقم",
    "th": "เรือจมและลูกเรือได้รับการช่วยเหลือ",
}
STEPS = (2, 4)
Command = Callable[..., tuple[int, str, str]]


def line(event: str, step: int, **fields: Any) -> str:
    return json.dumps({"event": event, "step": step, **fields, "time": 1e9 + step}, ensure_ascii=False) + "\n"


def write_run(folder: Path, rate: float = 1e-3, baseline: str | None = None, status: str = "done") -> Path:
    """A run with two evaluations, of which the second ends in a line that a kill has cut; a baseline has one."""
    stage = {
        "task": "tasks/my-titles.yaml",
        "source_languages": ["English"],
        "adaptation": {"method": "full"},
        "training": {"learning_rate": rate, "steps": 4},
    }
    recipe = {"name": "x", "backbone": {"name": "pocket-mt5"}, "stages": [stage], "seed": 3, "baseline": baseline}
    folder.mkdir(parents=True)
    whole = {"recipe": {**recipe, "report_as": baseline}, "environment": {"git_revision": "abc"}}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    (folder / "state.json").write_text(json.dumps({"stage": 0, "step": 4, "status": status}))
    log = line("start", 0, parameters=3, data={"examples": 2})
    for step in (0,) if baseline else STEPS:
        if step:
            rates = {"loss": 1 / step, "learning_rate": rate, "gradient_norm": float("nan"), "steps_per_second": 0.5}
            log += line("step", step, **rates, source_tokens=30, target_tokens=10, padding=0.25)
        for language, text in TEXTS.items():
            bounds = {"low": 1.5, "high": None, "n": 2, "signature": "rougeL|é"}
            log += line("figure", step, language=language, metric="rougeL", value=step + len(text) / 8, **bounds)
            log += line("figure", step, language=language, metric="correct_language_rate", value=None)
            write_predictions(folder / "predictions" / f"step-{step}" / f"{language}.jsonl", language, text)
    cut = '{"event": "figure", "step": 4, "language": "th", "metric": "rouge1", "signature": "เรื'
    (folder / "metrics.jsonl").write_bytes(log.encode() + cut.encode()[:-1])
    return folder


def write_predictions(file: Path, language: str, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    row = {"id": "1", "language": language, "input": text, "prediction": text, "raw": text, "references": [text, "b"]}
    english = {**row, "id": "2", "prediction": "The boat sinks and everybody is saved.", "similarity": 0.5}
    file.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in (row, english)), encoding="utf-8")


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Three runs; the name of one is a pattern for the file system, and matches the other."""
    for name in ("lr=1e-3", "lr=*[1]'?"):
        write_run(tmp_path / "first" / "runs" / name)
    write_run(tmp_path / "first" / "runs" / "lead", baseline="lead")
    return tmp_path / "first"


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Exit code, standard output, standard error."""

    def ask(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["xlgen", "query", *map(str, arguments)])
        code: Any = 0
        try:
            main()
        except SystemExit as stopped:
            code = stopped.code or 0
        found = capsys.readouterr()
        assert "Traceback" not in found.err
        return code, found.out, found.err

    return ask


# -- views


def test_the_views_have_the_columns_they_say(study: Path) -> None:
    for name, view in VIEWS.items():
        found = query(study, f"describe {name}")
        assert [(row["column_name"], row["column_type"]) for row in found] == [c[:2] for c in view.columns]


def test_scores_are_those_of_the_summary(study: Path) -> None:
    expected = [row for row in collect(study) if row["language"] != MEAN]
    found = query(study, "select * exclude (study, is_last, is_source) from scores")
    keys = list(expected[0])
    assert sorted(([row[key] for key in keys] for row in found), key=str) == sorted(
        ([row[key] for key in keys] for row in expected), key=str
    )
    assert len(found) == 2 * 3 * 2 * 2 + 3 * 2


def test_the_view_scores_is_also_found_under_its_old_name(study: Path) -> None:
    assert query(study, "from figures order by all") == query(study, "from scores order by all") != []
    old = "with scores as (select value from Figures) select count(*) as n from scores"
    assert query(study, old) == query(study, "select count(*) as n from scores")
    assert query(study, "with figures as (select 1 as n) from figures") == [{"n": 1}], "a name in the query comes first"
    assert "figures" not in VIEWS


def test_what_is_newest_and_what_has_labels(study: Path) -> None:
    found = query(study, "select distinct run, step, is_last from scores order by all")
    assert [(row["step"], row["is_last"]) for row in found] == [(0, True), *[(2, False), (4, True)] * 2]
    [row] = query(study, "select list(distinct language) as codes from scores where is_source")
    assert row["codes"] == ["en"], "English in the recipe"
    assert query(study, "select distinct study, task, seed from scores") == [
        {"study": "first", "task": "my-titles", "seed": 3}
    ]


def test_a_score_logged_again_counts_once(study: Path) -> None:
    with (study / "runs" / "lead" / "metrics.jsonl").open("a") as file:
        file.write(
            "\n" + line("figure", 0, language="en", metric="rougeL", value=7).replace("1000000000", "1000000001")
        )
    assert query(study, "select value from scores where method = 'lead' and language = 'en' and metric = 'rougeL'") == [
        {"value": 7}
    ]


def test_steps(study: Path) -> None:
    found = query(study, "select * from steps where run = 'lr=1e-3' order by step")
    assert [(row["step"], row["loss"], row["target_tokens"], row["time"]) for row in found] == [
        (2, 0.5, 10, 1e9 + 2),
        (4, 0.25, 10, 1e9 + 4),
    ]


def test_predictions(study: Path) -> None:
    found = query(study, """select *, "references" from predictions where run = 'lr=1e-3' and is_last order by all""")
    assert len(found) == 6
    assert found[2] | {"run": ""} == {
        **{"study": "first", "run": "", "step": 4, "language": "en", "id": "1", "prediction": TEXTS["en"]},
        **{"reference": TEXTS["en"], "references": [TEXTS["en"], "b"], "input": TEXTS["en"], "raw": TEXTS["en"]},
        **{"cropped_tokens": None, "similarity": None, "is_last": True, "is_source": True},
        "references_1": [TEXTS["en"], "b"],
    }
    assert len(query(study, "from predictions")) == (2 + 2 + 1) * 3 * 2


def test_predictions_in_the_wrong_language(study: Path) -> None:
    sql = "select distinct language, id, language_of(prediction) as got from predictions where not {} order by all"
    found = query(study, sql.format("in_language(prediction, language)"))
    assert [tuple(row.values()) for row in found] == [("ar", "2", "en"), ("th", "2", "en")]
    assert query(study, "select language_of(' ') a, in_language('', 'fr') b") == [{"a": None, "b": False}]
    with pytest.raises(QueryError, match="klingon"):
        query(study, "select in_language('x', 'klingon')")


def test_runs(study: Path) -> None:
    found = query(study, "select *, recipe->>'$.stages[0].training.steps' as steps from runs order by run")
    assert [(row["method"], row["learning_rate"], row["planned_steps"]) for row in found] == [
        ("lead", None, None),
        ("full", 1e-3, 4),
        ("full", 1e-3, 4),
    ]
    assert (found[1]["status"], found[1]["step"], found[1]["steps"]) == ("done", 4, "4")
    assert found[0]["folder"] == str((study / "runs" / "lead").resolve())
    assert json.loads(found[0]["environment"]) == {"git_revision": "abc"}


def test_only_what_is_asked_for_is_read(study: Path) -> None:
    """DuckDB says itself which files it has read; a query that names no predictions does not even look for them."""
    runs = discover_runs(study)
    with open_query(study, "select 1") as result:
        connection = result._connection
        connection.execute("drop view predictions")
        connection.execute(definition("predictions", runs))
        for condition, files in (("is_last", 9), ("step = 2 and language = 'th'", 2), ("run = 'lead'", 3)):
            sql = f"explain analyze select count(input) from predictions where {condition}"
            [(_, text)] = connection.execute(sql).fetchall()
            assert sum(map(int, re.findall(r"Total Files Read: (\d+)", text))) == files, condition
    for file in study.rglob("predictions/*/*.jsonl"):
        file.write_bytes(b"\xff")
        file.chmod(0)
    assert query(study, "select count(*) as n from scores where value is not null") == [{"n": 15}]


# -- which runs


def test_a_folder_of_studies_and_one_run(study: Path) -> None:
    write_run(study.parent / "second" / "alone")
    sql = "select distinct study, run from scores order by all"
    found = [tuple(row.values()) for row in query(study.parent, sql)]
    assert found == [("first", "lead"), ("first", "lr=*[1]'?"), ("first", "lr=1e-3"), ("second", "alone")]
    assert len(query(study / "runs" / "lead", sql)) == 1


def test_runs_without_scores_or_without_a_log(tmp_path: Path) -> None:
    for name in ("begun", "queued"):
        (write_run(tmp_path / name, status="running") / "metrics.jsonl").write_text(line("start", 0))
    (tmp_path / "queued" / "metrics.jsonl").unlink()
    (tmp_path / "queued" / "state.json").write_text("{")
    assert query(tmp_path, "select * from scores") == query(tmp_path, "select * from steps") == []
    assert [row["status"] for row in query(tmp_path, "select status from runs order by run")] == ["running", "unknown"]
    (tmp_path / "begun" / "metrics.jsonl").unlink()
    assert query(tmp_path, "select avg(value) as mean from scores") == [{"mean": None}]


def test_a_damaged_run_is_told_and_left_out(study: Path, run: Command) -> None:
    (study / "runs" / "lead" / "recipe.yaml").write_text("recipe: {stages: [")
    code, out, err = run(study, "select count(*) as n from runs", "--format", "csv")
    assert (code, out) == (0, "n\n2\n")
    assert "left out:" in err and "lead/recipe.yaml" in err.replace("\n", "")


# -- the command


def test_a_table(study: Path, run: Command) -> None:
    code, out, err = run(study, "select language, prediction, value, null as none from predictions "
                         "join scores using (study, run, step, language) where run = 'lead' and metric = 'rougeL' "
                         "and id = 1 order by language")  # fmt: skip
    assert (code, err) == (0, "")
    assert TEXTS["ar"] in out and TEXTS["th"] in out, "as it was, for the terminal to turn"
    assert "The boat↵sinks↵and \ufffd[31m'all'↵are saved" in out
    assert "-" in [cell.strip() for cell in out.splitlines()[3].split("│")]
    assert "\x1b[31m" not in out


def test_wide_text_and_numbers_are_whole(study: Path, run: Command) -> None:
    code, out, _ = run(study, "select repeat('ก ', 200) as long, repeat('x', 90) as longer, 12345.678::double as n")
    assert code == 0
    assert "…" not in out and "x" * 90 in out and out.count("ก") == 200 and "12345.7" in out
    assert len(out.splitlines()) == 5


def test_a_long_table_says_that_there_is_more(study: Path, run: Command) -> None:
    code, out, err = run(study, f"select range as n from range({MOST_ROWS + 1})")
    assert (code, len(out.splitlines())) == (0, MOST_ROWS + 4)
    assert "the first 1,000 rows" in err
    assert run(study, f"select range as n from range({MOST_ROWS})")[2] == ""


def test_without_sql_the_views_are_shown(study: Path, run: Command) -> None:
    code, out, _ = run(study)
    assert code == 0
    assert all(name in out for name in (*VIEWS, "in_language", "correct_language_rate"))


def test_csv_json_and_jsonl_to_standard_output(study: Path, run: Command) -> None:
    sql = """select prediction as p, "references" as r, 'nan'::double as v, true as b, 1.5::decimal(4, 2) as d,
        date '2024-02-01' as t, {'a': 1} as s from predictions where run = 'lead' and id = 1 order by language"""
    _, out, _ = run(study, sql, "--format", "csv")
    head, *rows = list(csv.reader(io.StringIO(out)))
    assert head == ["p", "r", "v", "b", "d", "t", "s"]
    assert rows[1][0] == TEXTS["en"] and json.loads(rows[1][1]) == [TEXTS["en"], "b"]
    assert rows[1][3:] == ["true", "1.5", "2024-02-01", '{"a": 1}']
    expected = {"r": [TEXTS["en"], "b"], "v": None, "b": True, "d": 1.5, "t": "2024-02-01", "s": {"a": 1}}
    _, out, _ = run(study, sql, "--format", "json")
    assert json.loads(out)["rows"][1] == {"p": TEXTS["en"], **expected}
    _, out, _ = run(study, sql, "--format", "jsonl")
    assert json.loads(out.split("\n")[1]) == {"p": TEXTS["en"], **expected}
    assert run(study, "select 1 where false", "--format", "json")[1] == '{"rows": [\n]}\n'


def test_parquet_for_pandas(study: Path, run: Command, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    file = tmp_path / "new" / "scores.parquet"
    assert run(study, "select *, value from scores", "--out", file) == (0, "", "")
    found = pandas.read_parquet(file)
    assert list(found.columns) == [*(column.name for column in VIEWS["scores"].columns), "value_1"]
    assert len(found) == 30 and found["value"].notna().sum() == 15
    assert list(file.parent.iterdir()) == [file]


def test_parquet_to_standard_output(study: Path) -> None:
    command = [sys.executable, "-m", "xlgen", "query", str(study), "select 1 as a", "--format", "parquet"]
    done = subprocess.run(command, capture_output=True, check=True)
    assert done.stdout[:4] == done.stdout[-4:] == b"PAR1"


def test_a_pivot(study: Path, run: Command) -> None:
    sql = "pivot (select run, language, step from predictions) on language using max(step) group by run"
    _, out, _ = run(study, sql, "--format", "csv")
    assert sorted(out.splitlines()) == ["lead,0,0,0", "lr=*[1]'?,4,4,4", "lr=1e-3,4,4,4", "run,ar,en,th"]


def test_a_file_appears_whole_or_not_at_all(study: Path, run: Command, tmp_path: Path) -> None:
    file = tmp_path / "out" / "rows.jsonl"
    assert run(study, "select 1 as a", "--out", file)[0] == 0
    wrong = "select if(range < 5000, range, error('late')) as a from range(6000)"
    for other in (file, file.with_suffix(".parquet")):
        code, out, err = run(study, wrong, "--out", other)
        assert (code, out) == (2, "") and "late" in err
    assert file.read_text() == '{"a": 1}\n'
    assert list(file.parent.iterdir()) == [file]


# -- bad input


@pytest.mark.spread(6)
@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select valeu from scores", '"valeu" not found'),
        ("selec 1", "syntax error at or near"),
        ("select * from score", "scores"),
        ("select * from runs where", "syntax error"),
        ("select 'a'::int", "Could not convert"),
        ("", "an argument is empty"),
        ("/* nothing */", "one statement, not 0"),
        ("select 1; select 2", "one statement, not 2"),
        ("copy (select 1) to 'mine.csv'", "only reads"),
        ("/* select */ copy (pivot (select 1 a, 2 b) on a using sum(b)) to 'mine.csv'", "not COPY"),
        ("attach 'mine.db'", "not ATTACH"),
        ("explain analyze copy (select 1) to 'mine.csv'", "not EXPLAIN"),
        ("export database 'mine'", "not EXPORT"),
        ("create table t as select 1", "not CREATE"),
        ("drop table runs", "not DROP"),
        ("install httpfs", "not INSTALL"),
        ("select * from study", "study"),
    ],
)
def test_a_wrong_query(
    study: Path, run: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sql: str, expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(study, sql)
    assert (code, out) == (2, "")
    assert expected in err and err.startswith("error: ")
    assert [file.name for file in tmp_path.iterdir()] == ["first"], "nothing is written"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--format", "xml"), "no format 'xml'"),
        (("--out", "scores.txt"), "no format 'txt'"),
        (("--out", "scores.csv", "--format", "table"), "--out needs --format"),
        (("--out", "/proc/x/scores.csv"), "/proc/x"),
    ],
)
def test_a_wrong_format(study: Path, run: Command, options: tuple[str, ...], expected: str) -> None:
    code, _, err = run(study, "select 1", *options)
    assert code == 2 and expected in err


def test_a_folder_without_runs(tmp_path: Path, run: Command) -> None:
    for folder, expected in ((tmp_path / "none", "is not a folder"), (tmp_path, "has no run: no folder in it")):
        for arguments in ([folder], [folder, "select 1"]):
            code, _, err = run(*arguments)
            assert code == 2 and expected in err.replace("\n", " ")
    (tmp_path / "recipe.yaml").write_text("backbone: mt5\n")
    code, _, err = run(tmp_path, "select 1")
    assert code == 2 and "recipe.yaml is not the resolved recipe of a run" in err.replace("\n", " ")


def test_from_python(study: Path) -> None:
    assert xlgen.query(study, "select count(*) as n from runs") == [{"n": 3}]
    with pytest.raises(InputError):
        xlgen.query(study / "absent", "select 1")


@pytest.mark.spread(1)
@pytest.mark.parametrize(
    "arguments", [["--help"], ["{study}"], ["{study}", "from scores join predictions using (run)"]]
)
def test_nothing_heavy_is_imported(study: Path, arguments: list[str]) -> None:
    """In a process of its own; help does not import DuckDB either."""
    heavy = {"torch", "transformers", "datasets", "accelerate", "matplotlib", "pandas", "pyarrow", "numpy"}
    if len(arguments) == 1:
        heavy.add("duckdb")
    script = (
        f"import atexit, sys; sys.argv = ['xlgen', 'query', *{[a.format(study=study) for a in arguments]!r}];"
        f"atexit.register(lambda: print('heavy:', *sorted({heavy!r} & sys.modules.keys())));"
        "from xlgen.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "heavy:"


def test_the_examples_of_the_docs_run(study: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(study)
    text = (Path(__file__).parents[2] / "docs" / "how-to" / "query.md").read_text(encoding="utf-8")
    examples = re.findall(r"^    xlgen query (?:.|\n(?=     ))*", text, re.MULTILINE)
    assert len(examples) == 9
    for example in examples:
        _, _, _, *arguments = shlex.split(example, comments=True)
        code, _, err = run(study, *arguments)
        assert (code, err) == (0, ""), example
