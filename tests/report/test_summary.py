import json
from pathlib import Path

import pytest

from synthetic import LANGUAGES, write_run
from xlgen.experiments.choices import rate_choices, searches
from xlgen.report.faults import faults_table
from xlgen.report.summary import methods_table, regret_table
from xlgen.runs.rows import load_results


def test_methods_stand_at_their_chosen_rates(study: Path) -> None:
    rows = {row["run"].value: row for row in methods_table(load_results(study)).rows}
    adapters = rows["adapters"]
    assert (adapters["runs"].value, adapters["seeds"].value, adapters["rates"].value) == (3, 2, "1e-4, 1e-3")
    others = 0.37 * 6
    assert adapters["others"].value == pytest.approx((26 + 19) / 2 + others)
    assert adapters["others_spread"].value == pytest.approx(7 / 2**0.5)
    assert rows["full"]["others_spread"].value is None
    assert rows["lead"]["rates"].value is None
    assert rows["full"]["language_rate"].grade == "poor"


def test_regret_is_summed_up_by_criterion(study: Path) -> None:
    results = load_results(study)
    regrets = [
        choice.regret
        for group in searches(results)
        for choice in rate_choices(results, group)
        if choice.criterion == "source"
    ]
    row = next(row for row in regret_table(results).rows if row["run"].value == "source language")
    assert row["searches"].value == len(regrets) == 2
    assert row["rate_regret"].value == pytest.approx(sum(regrets) / 2)
    assert row["rate_largest"].value == max(regrets)
    assert row["runs"].value == 5
    rate = next(row for row in regret_table(results).rows if row["run"].value == "language rate")
    assert rate["checkpoint_largest"].value >= rate["checkpoint_regret"].value >= 0


def test_target_labels_have_no_regret(study: Path) -> None:
    row = regret_table(load_results(study)).rows[-1]
    assert row["run"].value == "target labels"
    assert (row["rate_largest"].value, row["checkpoint_largest"].value) == (0, 0)


def test_tasks_are_apart(tmp_path: Path) -> None:
    for task in ("pocket-summaries", "pocket-titles"):
        write_run(tmp_path / task, task=task)
    assert [row["task"].value for row in methods_table(load_results(tmp_path)).rows] == [
        "pocket-summaries",
        "pocket-titles",
    ]


def test_faults_by_language(study: Path) -> None:
    table = faults_table(load_results(study))
    assert [column.key for column in table.columns] == [
        "run", "language", "name", "wrong_language_rate", "empty_rate", "leftover_rate",
    ]  # fmt: skip
    thai = next(r for r in table.rows if (r["run"].value, r["language"].value) == ("full lr 1e-3", "th"))
    # Top labels count wrong and unknown languages together.
    assert [column.title for column in table.columns][3] == "Wrong or unknown language (%)"
    # 21 % are right and 0.5 % empty
    assert thai["wrong_language_rate"].value == pytest.approx(100 - 21 - 0.5)
    assert (thai["empty_rate"].value, thai["leftover_rate"].value) == (0.5, 7)


def test_recorded_faults_are_shown_as_they_are(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    found = [
        {"event": "figure", "step": 600, "language": code, "metric": metric, "value": value}
        for code in LANGUAGES
        for metric, value in (("wrong_language_rate", 3.0), ("loop_rate", 4.0))
    ]
    log.write_text(log.read_text() + "\n" + "".join(json.dumps(event) + "\n" for event in found))
    table = faults_table(load_results(tmp_path))
    assert table.columns[3].title == "Wrong language (%)"
    row = table.rows[0]
    assert (row["wrong_language_rate"].value, row["loop_rate"].value) == (3, 4)
