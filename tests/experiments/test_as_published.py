"""The checkpoint that each paper reports, among evaluations whose scores are known."""

import json
from pathlib import Path

import pytest

from synthetic import write_run
from xlgen.experiments.as_published import reported, rule_of
from xlgen.experiments.published import find_cells, load_papers
from xlgen.report.published_comparison import comparison_table, protocol_table
from xlgen.runs.rows import load_results as load_results

# Scores by step: English is best at 2, French at 1, Thai at 3; XLRS of French is lowest at 2, of Thai at 1.
SCORES = {1: {"en": 20, "fr": 30, "th": 5}, 2: {"en": 40, "fr": 10, "th": 6}, 3: {"en": 30, "fr": 20, "th": 9}}
XLRS = {1: {"fr": 0.9, "th": 0.1}, 2: {"fr": 0.3, "th": 0.5}, 3: {"fr": 0.6, "th": 0.7}}
METRICS = {"wikilingua": "sp_rougeLsum", "mtg-titles": "rougeL"}


def write(folder: Path, scores: dict[int, dict[str, float]] = SCORES, xlrs: bool = True, **changes: object) -> Path:
    changes = {"task": "wikilingua", "backbone": "google/mt5-base", "report_as": "model", **changes}
    write_run(folder, **changes)
    metrics = (METRICS[str(changes["task"])], "sp_rougeL")
    rows = [
        (step, code, metric, value) for step, row in scores.items() for code, value in row.items() for metric in metrics
    ]
    rows += [(step, code, "lid_confidence", step * 10.0) for step, row in scores.items() for code in row]
    if xlrs:
        rows += [(step, code, "xlrs", value) for step, row in XLRS.items() for code, value in row.items()]
    events = [{"event": "step", "step": 3, "loss": 1.0}] + [
        {"event": "figure", "step": step, "language": code, "metric": metric, "value": value, "n": 9, "signature": "x"}
        for step, code, metric, value in rows
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))
    return folder


def steps(folder: Path, rule: str) -> dict[str, int]:
    results = load_results(folder)
    return dict(reported(results, results.runs[0], rule, ["en", "fr", "th"]).steps)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("last", {"en": 3, "fr": 3, "th": 3}),
        ("source", {"en": 2, "fr": 2, "th": 2}),
        ("target", {"en": 2, "fr": 1, "th": 3}),
        ("xlrs", {"en": 3, "fr": 2, "th": 1}),
    ],
)
def test_each_rule_selects_its_own_checkpoint(rule: str, expected: dict[str, int], tmp_path: Path) -> None:
    assert steps(write(tmp_path / "run"), rule) == expected


def test_ties_go_to_the_later_checkpoint(tmp_path: Path) -> None:
    alike = {step: {"en": 7.0, "fr": 7.0, "th": 7.0} for step in (1, 2, 3)}
    folder = write(tmp_path / "run", alike)
    assert steps(folder, "target") == steps(folder, "source") == {"en": 3, "fr": 3, "th": 3}


def test_an_evaluation_before_training_is_no_checkpoint(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", {0: {"en": 99.0, "fr": 99.0, "th": 99.0}, **SCORES})
    assert steps(folder, "target") == {"en": 2, "fr": 1, "th": 3}
    assert steps(folder, "source")["fr"] == 2


def test_a_run_without_xlrs_reports_the_last_and_says_so(tmp_path: Path) -> None:
    results = load_results(write(tmp_path / "run", xlrs=False))
    found = reported(results, results.runs[0], "xlrs", ["fr", "th"])
    assert (found.rule, found.description, dict(found.steps)) == ("last", "the last", {"fr": 3, "th": 3})


def test_every_paper_that_says_how_it_selects_has_a_rule() -> None:
    rules = {
        paper.key: fact.rule for paper in load_papers() if (fact := paper.fact("checkpoint")) and fact.value is not None
    }
    assert rules == {"C": "last", "V": "target", "L": "source"}
    (li,) = [paper for paper in load_papers() if paper.key == "L"]
    rows = {cell.row: rule_of(cell, li) for cell in find_cells(paper="L", where="Table 7")}
    assert rows == {"en-dev": "source", "cos-sim": "xlrs", "tgt-dev": "target"}


def test_vu_et_al_are_compared_with_the_best_checkpoint_of_each_language(tmp_path: Path) -> None:
    """Section 2.2.2; their identification scores are of that same checkpoint."""
    table = comparison_table(load_results(write(tmp_path / "run")))
    of_vu = [row for row in table.rows if str(row["paper"].value).startswith("Vu+22, ")]
    shown = {(row["metric"].value, row["language"].value): (row["ours"].value, row["step"].value) for row in of_vu}
    assert shown["sp_rougeLsum", "en"] == (40, "2")
    assert shown["sp_rougeLsum", "fr"] == (30, "1")
    assert shown["sp_rougeLsum", "th"] == (9, "3")
    assert shown["sp_rougeLsum", ""] == (19.5, "1, 3")
    assert shown["lid_confidence", "fr"] == (10, "1")
    assert shown["lid_confidence", "en"] == (20, "2")


def test_li_and_murray_are_compared_row_by_row(tmp_path: Path) -> None:
    """The rows en-dev, cos-sim and tgt-dev of Table 7 each have the scores of their own selection."""
    results = load_results(write(tmp_path / "run", report_as=None))
    shown = {
        row["paper"].value: row["ours"].value for row in comparison_table(results).rows if row["language"].value == "fr"
    }
    assert shown["Li+23, Table 7, en-dev"] == 10
    assert shown["Li+23, Table 7, cos-sim"] == 10
    assert shown["Li+23, Table 7, tgt-dev"] == 30
    assert shown["Li+23, Table 3, EN"] == 10


def test_the_same_selection_is_no_difference(tmp_path: Path) -> None:
    results = load_results(write(tmp_path / "run", report_as=None))
    rows = protocol_table(results).rows
    points = {row["paper"].value: row["ours"].value for row in rows if row["point"].value == "checkpoint"}
    assert not [place for place in points if place.startswith("Li+23, ")]
    assert points["Vu+22, Table 8, BASE MODEL"] == "the best of 3 for each target language"  # not of 20


def test_each_seed_has_its_own_checkpoint(tmp_path: Path) -> None:
    write(tmp_path / "runs" / "a", seed=0)
    write(tmp_path / "runs" / "b", {step: {**row, "fr": row["th"]} for step, row in SCORES.items()}, seed=1)
    (row,) = [
        row
        for row in comparison_table(load_results(tmp_path)).rows
        if row["paper"].value == "Vu+22, Table 8, BASE MODEL" and row["language"].value == "fr"
    ]
    assert (row["ours"].value, row["step"].value, row["seeds"].value) == ((30 + 9) / 2, "1, 3", 2)
