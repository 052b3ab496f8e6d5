from pathlib import Path

import pytest

from synthetic import LANGUAGES, write_run
from xlgen.core.languages import language_name
from xlgen.report.tables import duration, grade, languages_table, runs_table, verdict_table, without_repetition
from xlgen.runs.rows import load_results


def test_the_verdict_sets_source_beside_the_others(study: Path) -> None:
    rows = {row["run"].value: row for row in verdict_table(load_results(study)).rows}
    wrong = rows["full lr 1e-3"]
    assert wrong["source"].value == pytest.approx(36)
    assert wrong["others"].value == pytest.approx(24 + 0.37 * 6)
    assert (wrong["language_rate"].value, wrong["language_rate"].grade) == (pytest.approx(24), "poor")
    assert (wrong["worst_rate"].value, wrong["worst_language"].value) == (19, "Japanese")
    assert (wrong["leftovers"].value, wrong["empty"].value) == (pytest.approx(7), pytest.approx(0.5))
    assert rows["lead"]["step"].value == 0


def test_languages_have_intervals_and_lengths(study: Path) -> None:
    table = languages_table(load_results(study))
    assert len(table.rows) == 6 * len(LANGUAGES)
    thai = next(row for row in table.rows if row["language"].value == "th" and row["run"].value == "full lr 1e-3")
    score = next(column for column in table.columns if column.key == "score")
    assert (score.text(thai["score"]), score.bounds(thai["score"])) == ("27.3", "26.1–28.6")
    assert thai["length_ratio"].value == pytest.approx(11 / 9)
    assert thai["rouge1"].value == pytest.approx(31.33)
    assert thai["labels"].value == ""


def test_runs_tell_of_their_data(study: Path) -> None:
    table = runs_table(load_results(study))
    row = table.rows[0]
    shown = {column.key: column.text(row[column.key]) for column in table.columns}
    assert shown["learning_rate"] == "1e-3"
    assert shown["trainable"] == "51,200"
    assert (shown["padding"], shown["unknown"], shown["seconds"]) == ("12.5", "0.012", "20 min")
    assert (shown["cropped_sources"], shown["cropped_tokens"], shown["dropped_targets"]) == ("17", "4,321", "3")


def test_a_log_without_its_start_is_no_obstacle(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    log.write_text("\n".join(line for line in log.read_text().splitlines() if '"start"' not in line))
    assert runs_table(load_results(tmp_path)).rows[0]["trainable"].value is None


def test_what_all_rows_share_goes_into_the_title(study: Path) -> None:
    table = without_repetition(verdict_table(load_results(study)))
    assert table.title == "Verdict: pocket-summaries, ROUGE-L"
    assert not {"task", "metric"} & {column.key for column in table.columns}


@pytest.mark.parametrize(("rate", "expected"), [(100, "good"), (95, "good"), (94.9, "fair"), (80, "fair"), (0, "poor")])
def test_grade(rate: float, expected: str) -> None:
    assert grade(rate) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (720, "12 min"), (11_100, "3 h 05 min"), (3599, "1 h 00 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_an_unknown_language_keeps_its_code() -> None:
    assert language_name("xx-unknown") == "xx-unknown"


def test_the_verdict_is_relative_to_the_references_own_rate() -> None:
    assert (grade(33.0), grade(33.0, 33.0), grade(33.0, 40.0), grade(33.0, 99.0)) == ("poor", "good", "fair", "poor")
    assert grade(96.0, None) == grade(96.0, 0.0) == "good"
