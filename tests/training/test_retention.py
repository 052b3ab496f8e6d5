"""`keep_best`: the checkpoints that a paper's rule may report outlive `keep_checkpoints`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import Recipe, RecipeError, load_recipe
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.experiments.as_published import reported
from xlgen.experiments.plan import load_study
from xlgen.runs.checkpoints import checkpoints_of, step_of
from xlgen.runs.rows import load_results as load_results
from xlgen.training.retention import best_on_source, steps_to_keep
from xlgen.training.run import train


@pytest.fixture(scope="module")
def task_file(tiny_task: Callable[..., str]) -> str:
    return tiny_task(["en", "th", "ar"], size=24)


def recipe(task: str, tiny: Path, **training: Any) -> Recipe:
    settings = {"steps": 10, "learning_rate": 3e-3, "warmup_steps": 2, "batch_tokens": 300, **training}
    evaluation = {"every": 2, "split": "test", "examples": 3, "bootstrap": 0, "max_new_tokens": 6}
    return Recipe.model_validate(
        {"name": "tiny", "backbone": str(tiny), "task": task, "training": settings, "evaluation": evaluation}
    )


def test_the_best_checkpoints_stay(task_file: str, tiny_mt5: Path, tmp_path: Path) -> None:
    """What the report selects afterwards is on the disk; the rest is not."""
    train(recipe(task_file, tiny_mt5, keep_checkpoints=1, keep_best=["source", "target"]), tmp_path / "run")
    results = load_results(tmp_path / "run")
    (run,) = results.runs
    codes = results.languages()
    wanted = {run.last_step}
    for rule in ("source", "target"):
        wanted |= set(reported(results, run, rule, codes).steps.values())  # type: ignore[arg-type]
    kept = {step_of(path) for path in checkpoints_of(tmp_path / "run")}
    assert wanted <= kept < {2, 4, 6, 8, 10}


def test_what_is_kept_follows_the_scores(tmp_path: Path) -> None:
    task = load_task("pocket-titles", tmp_path)
    assert task.config.main_metric == "rougeL"
    values = {2: {"en": 1.0, "th": 9.0}, 4: {"en": 5.0, "th": 2.0}, 6: {"en": 3.0, "th": float("nan")}, 8: {"en": 3.0}}
    xlrs = {2: 0.9, 4: 0.8, 6: 0.2, 8: 0.4}
    rows = [(step, code, "rougeL", value) for step, row in values.items() for code, value in row.items()]
    rows += [(step, "th", "xlrs", value) for step, value in xlrs.items()]
    log = tmp_path / "metrics.jsonl"
    log.write_text(
        "".join(
            json.dumps({"event": "figure", "step": step, "language": code, "metric": metric, "value": value}) + "\n"
            for step, code, metric, value in rows
        )
    )
    saved = [tmp_path / f"step-{step}" for step in values]

    def kept(*rules: str, among: list[Path] = saved) -> set[int]:
        stage = Recipe.model_validate(
            {"name": "x", "backbone": "b", "task": "pocket-titles", "training": {"keep_best": list(rules)}}
        ).stages[0]
        return steps_to_keep(log, stage, task, among)

    assert kept() == set()
    assert kept("source") == {4}
    assert kept("target") == {4, 2}
    assert kept("xlrs") == {6}
    assert kept("source", "target", "xlrs") == {2, 4, 6}
    assert kept("source", among=saved[:1] + saved[2:]) == {8}  # of equals the later; step 4 was not saved


def test_an_unknown_rule_is_refused(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("backbone: pocket-mt5\ntask: pocket-titles\ntraining: {keep_best: [luck]}\n")
    with pytest.raises(RecipeError, match="keep_best"):
        load_recipe(str(tmp_path / "run.yaml"))


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        *((name, ("target",)) for name in ("v-table-8", "v-table-10", "v-table-11", "v-tables-2-7", "v-preliminary")),
        ("l-generation", ("source", "target", "xlrs")),
        ("l-understanding", ("source", "target", "xlrs")),
    ],
)
def test_recipes_keep_what_their_paper_reports(name: str, rules: tuple[str, ...]) -> None:
    for run in load_study(name).runs:
        if run.recipe.baseline is None:
            assert run.recipe.stages[-1].training.keep_best == rules, run.name


@pytest.mark.exhaustive
def test_translated_input_is_answered_by_the_best_checkpoint_on_the_source(
    task_file: str, tiny_mt5: Path, tmp_path: Path
) -> None:
    """Vu et al. report no last checkpoint for TRANS-TEST either."""
    run = tmp_path / "run"
    train(recipe(task_file, tiny_mt5), run)
    log = run / "metrics.jsonl"
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    for event in events:
        if event.get("metric") == "rougeL":
            event["value"] = 50.0 if (event["language"], event["step"]) == ("en", 4) else float(event["step"])
    log.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
    assert step_of(best_on_source(run)) == 4
    (run / "metrics.jsonl").unlink()
    assert step_of(best_on_source(run)) == 10  # nothing is known of any
    with pytest.raises(InputError, match="has no checkpoint"):
        best_on_source(tmp_path)
    for planned in load_study("v-table-10").runs:
        baseline = planned.recipe.baseline
        wanted = "source" if baseline is not None and baseline.name == "translate-test" else None
        assert getattr(baseline, "checkpoint", None) == wanted
