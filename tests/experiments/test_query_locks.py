"""``xlgen query`` only reads, and only the runs: DuckDB's own locks hold, whatever kind of statement is asked."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from synthetic import write_run
from xlgen.api.query import query
from xlgen.core.registry import InputError
from xlgen.experiments.query import QueryError, open_query
from xlgen.runs.run_files import RunFiles, address


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_run(tmp_path / "study" / "runs" / "a")
    write_run(tmp_path / "study" / "runs" / "b %[x]+1?*", method="adapters")
    (tmp_path / "outside.csv").write_text("x\n1\n")
    (tmp_path / "study" / "runs" / "a" / "notes.txt").write_text("mine")
    return tmp_path / "study"


@pytest.fixture
def connection(study: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """What a query runs in, past the look at its kind."""
    with open_query(study, "select 1") as result:
        yield result._connection


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in sorted(folder.rglob("*")) if path.is_file()
    }


STATEMENTS = [
    "copy (select 1 as x) to '{place}/new.csv'",
    "copy (select 1 as x) to '{log}' (use_tmp_file false)",
    "copy (select 1 as x) to '{address}' (use_tmp_file false)",
    "copy (select 1 as x) to '{place}/new.parquet' (format parquet)",
    "attach '{place}/new.db' as other",
    "export database '{place}/exported'",
    "select * from read_csv('{place}/outside.csv')",
    "select * from '{place}/outside.csv'",
    "select * from read_text('{place}/study/runs/a/notes.txt')",
    "select * from read_text('{log}')",
    "select * from glob('{place}/*')",
    "select * from read_blob('/etc/hostname')",
    "install httpfs",
    "load httpfs",
    "set enable_external_access = true",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "set temp_directory = '{place}'",
    "set python_enable_replacements = true",
    "reset enable_external_access",
    "pragma enable_profiling",
    "set profiling_output = '{place}/profile'",
    "select * from enable_logging(storage = 'file', storage_path = '{place}/logs')",
    "call enable_logging('QueryLog', storage = 'file', storage_path = '{place}/logs')",
    "select * from study",
]


@pytest.mark.spread(8)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_duckdb_itself_refuses(study: Path, connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    log = study / "runs" / "a" / "metrics.jsonl"
    before = everything(study.parent)
    with pytest.raises(duckdb.Error):
        connection.execute(statement.format(place=study.parent, log=log, address=address(log))).fetchall()
    assert everything(study.parent) == before


@pytest.mark.spread(8)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_query_says_so_in_a_line_or_two(study: Path, statement: str) -> None:
    log = study / "runs" / "a" / "metrics.jsonl"
    before = everything(study.parent)
    with pytest.raises(QueryError) as caught:
        query(study, statement.format(place=study.parent, log=log, address=address(log)))
    assert "Traceback" not in str(caught.value)
    assert everything(study.parent) == before


def test_every_view_reads_the_runs_and_nothing_is_written(study: Path) -> None:
    before = everything(study.parent)
    counts = {
        view: query(study, f"select run, count(*) as n from {view} group by run order by run")
        for view in ("scores", "steps", "predictions", "runs")
    }
    assert all([row["run"] for row in rows] == ["a", "b %[x]+1?*"] for rows in counts.values())
    assert query(study, "select distinct study, language from predictions where run = 'a' and language = 'th'") == [
        {"study": "study", "language": "th"}
    ]
    assert everything(study.parent) == before


@pytest.mark.parametrize("kind", ["timestamptz", "timetz", "timestamptz[]"])
def test_times_with_a_zone_need_no_other_package(study: Path, kind: str) -> None:
    value = {"timestamptz": "'2026-01-31 12:00:00+00'", "timetz": "'12:00:00+00'"}.get(
        kind, "['2026-01-31 12:00:00+00']"
    )
    (row,) = query(study, f"select {value}::{kind} as at, 1 as n, now() as now")
    assert "12:00:00" in row["at"] and row["n"] == 1 and isinstance(row["now"], str)


@pytest.mark.parametrize(
    "value",
    [
        *("'290000-01-01'::timestamp", "'-infinity'::date", "interval 1e6 years", "1e308 * 10"),
        *("'\\x00'::blob", "1::hugeint << 100"),
    ],
)
def test_values_that_python_lacks(study: Path, value: str) -> None:
    try:
        assert len(query(study, f"select {value} as v")) == 1
    except QueryError as error:
        assert "Traceback" not in str(error)


def test_damaged_lines_are_left_out_of_every_view(study: Path) -> None:
    log = study / "runs" / "a" / "metrics.jsonl"
    whole = [{"n": row["n"]} for row in query(study, "select count(*) as n from scores")]
    bad: list[Any] = [{"event": "figure", "step": "x"}, {"event": 3}, [], 3, {"event": "step", "step": 1, "loss": "x"}]
    log.write_bytes(b"\xe0\xb8\n" + "".join(json.dumps(row) + "\n" for row in bad).encode() + log.read_bytes())
    predictions = study / "runs" / "a" / "predictions" / "step-600" / "th.jsonl"
    predictions.write_bytes(
        b'{"prediction": 3}\n{"prediction": "x", "references": 3}\n\xff\n' + predictions.read_bytes()
    )
    (predictions.parent.parent / "step-24.bak").mkdir()
    assert query(study, "select count(*) as n from scores") == whole
    for view in ("steps", "predictions"):
        assert query(study, f"select count(*) as n from {view}")[0]["n"] > 0


def test_the_file_system_has_the_files_of_runs_only(study: Path) -> None:
    run = study / "runs" / "a"
    files = RunFiles([str(run)])
    with files.open(address(run / "metrics.jsonl")) as file:
        assert file.read(1) == b"{"
    for path in (run / "notes.txt", run / "recipe.yaml", study / "runs" / "b %[x]+1?*" / "metrics.jsonl", run):
        assert files.glob(address(path)) == []
        with pytest.raises(FileNotFoundError):
            files.open(address(path))
    with pytest.raises(FileNotFoundError):
        files.open(address(run / "predictions" / "step-1" / ".." / ".." / "metrics.jsonl"))
    for mode in ("wb", "ab", "r+b", "xb"):
        with pytest.raises(PermissionError):
            files.open(address(run / "metrics.jsonl"), mode)


def test_a_pipe_in_a_run_is_not_waited_for(study: Path) -> None:
    log = study / "runs" / "a" / "metrics.jsonl"
    log.unlink()
    os.mkfifo(log)
    assert query(study, "select distinct run from scores") == [{"run": "b %[x]+1?*"}]
    with pytest.raises(InputError):
        RunFiles([str(log.parent)]).open(address(log))


def test_parquet_is_written_where_it_was_asked_for(study: Path, tmp_path: Path) -> None:
    with open_query(study, "select run, step from scores") as result:
        result.write_parquet(tmp_path / "rows.parquet")
    assert len(duckdb.sql(f"from '{tmp_path}/rows.parquet'").fetchall()) > 0
