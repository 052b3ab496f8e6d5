import json
from pathlib import Path

import pytest
import yaml

from synthetic import figures, write_run
from xlgen.core.registry import InputError
from xlgen.runs.runs import NoFigureError, find_runs, labels, rate_text, read_run


def test_a_run_says_what_it_is(study: Path) -> None:
    run = read_run(study / "runs" / "adapters-1e-3")
    assert (run.backbone, run.method, run.learning_rate, run.seed) == ("pocket-mt5", "adapters", 1e-3, 0)
    assert (run.task, run.source_languages, run.status) == ("pocket-summaries", ("en",), "done")
    assert run.main_metric == "rougeL"  # the task file's, though rouge1 is seen first
    assert run.last_step == 600
    assert run.seconds == 1200
    assert run.padding == pytest.approx(0.125)


def test_a_baseline_has_no_learning_rate(study: Path) -> None:
    run = read_run(study / "runs" / "lead")
    assert (run.method, run.learning_rate, run.last_step, run.seconds, run.padding) == ("lead", None, 0, None, None)


def test_runs_may_lie_directly_in_the_study(tmp_path: Path) -> None:
    for name in ("lr-10", "lr-9"):
        write_run(tmp_path / name)
    assert [run.name for run in find_runs(tmp_path)] == ["lr-9", "lr-10"]
    assert [run.name for run in find_runs(tmp_path / "lr-9")] == ["lr-9"]


def test_what_was_logged_again_counts_once(tmp_path: Path) -> None:
    write_run(tmp_path / "run", strength=20)
    with (tmp_path / "run" / "metrics.jsonl").open("a") as file:
        file.write("\n" + "".join(json.dumps(event) + "\n" for event in figures(600, 33, 0)))
    found = {(f["step"], f["language"], f["metric"]): f["value"] for f in read_run(tmp_path / "run").figures}
    assert len(found) == len(read_run(tmp_path / "run").figures)
    assert found[600, "en", "rougeL"] == 33 * 1.5


def test_a_task_whose_file_is_gone_is_judged_by_its_first_metric(tmp_path: Path) -> None:
    write_run(tmp_path / "run", task="/gone/my-task.yaml")
    run = read_run(tmp_path / "run")
    assert (run.task, run.main_metric) == ("my-task", "rouge1")


def test_labels_name_only_what_differs(study: Path) -> None:
    found = labels(find_runs(study))
    assert found["full-1e-3"] == "full lr 1e-3"
    assert found["lead"] == "lead"
    assert found["adapters-1e-4-seed-1"] == "adapters lr 1e-4 seed 1"
    assert len(set(found.values())) == len(found)


def test_labels_of_equal_runs_name_their_folders(tmp_path: Path) -> None:
    write_run(tmp_path / "a")
    write_run(tmp_path / "b")
    assert labels(find_runs(tmp_path)) == {"a": "full seed 0 (a)", "b": "full seed 0 (b)"}


@pytest.mark.parametrize(
    ("rate", "text"), [(1e-4, "1e-4"), (3e-05, "3e-5"), (0.00035, "3.5e-4"), (0.3, "3e-1"), (1, "1e0")]
)
def test_rate_text(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_errors_for_no_folder_no_run_and_no_scores_differ(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a folder"):
        find_runs(tmp_path / "none")
    with pytest.raises(InputError, match="has no run"):
        find_runs(tmp_path)
    write_run(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").write_text('{"event": "start", "step": 0}\n')
    with pytest.raises(InputError, match="no scores yet"):
        find_runs(tmp_path)


def test_a_recipe_that_is_not_a_runs(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump({"name": "x", "task": "pocket-summaries"}))
    with pytest.raises(InputError, match="not the resolved recipe"):
        find_runs(tmp_path)


def test_a_baseline_is_called_by_its_name_and_training_takes_what_its_rates_say(tmp_path: Path) -> None:
    write_run(tmp_path / "lead", steps=(0,))
    path = tmp_path / "lead" / "recipe.yaml"
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    data["recipe"]["baseline"] = {"name": "lead", "tokens": 64}
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert read_run(tmp_path / "lead").method == "lead"
    write_run(tmp_path / "run")  # 600 steps, half a step a second
    run = read_run(tmp_path / "run")
    assert (run.method, run.seconds) == ("full", 1200.0)


def test_folders_with_runs_of_their_own_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "auto" / "runs" / "full")
    with pytest.raises(NoFigureError, match=r"has no run itself; pass one of its folders with runs: .*/auto"):
        find_runs(tmp_path)
    write_run(tmp_path / "b")
    said: list[str] = []
    assert [run.name for run in find_runs(tmp_path, said.append)] == ["b"]
    assert len(said) == 1 and f"left out: {tmp_path / 'auto'}, which have runs of their own" in said[0]
    assert [run.name for run in find_runs(tmp_path / "auto", said.append)] == ["full"] and len(said) == 1
