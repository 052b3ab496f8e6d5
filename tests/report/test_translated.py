"""The table of translated outputs, on the synthetic study."""

from pathlib import Path

import yaml

from synthetic import write_run
from xlgen.report.choices import choice_tables
from xlgen.report.translated import translated_table
from xlgen.runs.rows import MEAN, load_results


def translated(study: Path, of: str, strength: float) -> None:
    name = f"{of}-translated"
    write_run(study / "runs" / name, strength, 0, steps=(0,), report_as="full-translated-output")
    file = study / "runs" / name / "recipe.yaml"
    text = yaml.safe_load(file.read_text())
    text["recipe"]["baseline"] = {"name": "translate-outputs", "run": str(study / "runs" / of), "translator": "t"}
    file.write_text(yaml.safe_dump(text))


def test_a_row_a_run_beside_the_best_rate(study: Path) -> None:
    translated(study, "full-1e-3", 15)
    results = load_results(study)
    (row,) = translated_table(results).rows
    runs = {run.name: run for run in results.runs}
    high, low = runs["full-1e-3"], runs["full-1e-4"]
    best = max((high, low), key=lambda run: results.value(run, MEAN, "rouge1") or 0)
    values = {key: cell.value for key, cell in row.items()}
    assert values["learning_rate"] == 1e-3
    assert values["source"] == results.source_value(high, high.main_metric)
    assert values["direct"] == results.value(high, MEAN, high.main_metric)
    assert values["translated"] == results.value(runs["full-1e-3-translated"], MEAN, high.main_metric)
    assert values["translated"] != values["direct"]
    assert values["best_rate"] == best.learning_rate, "of full finetuning only; adapters are another method"
    assert values["language_rate"] < values["translated_rate"]
    assert "translated" in [table.name for table in choice_tables(results)]


def test_nothing_was_translated(study: Path) -> None:
    assert "translated" not in [table.name for table in choice_tables(load_results(study))]
