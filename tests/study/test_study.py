"""Studies: a base with differences, run in processes of their own; done runs are skipped, failed ones named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from xlgen.overrides import RecipeError
from xlgen.registry import InputError
from xlgen.report.rows import collect
from xlgen.study.execute import execute, failures
from xlgen.study.plan import Study, load_study


@pytest.fixture
def study(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path) -> Callable[..., Study]:
    def make(**runs: dict[str, Any]) -> Study:
        base = {
            "backbone": str(checkpoint("mt5")),
            "task": tiny_task(["en", "th"]),
            "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300},
            "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
        }
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({"name": "tiny", "base": base, "runs": runs}), encoding="utf-8")
        return load_study(str(path))

    return make


def test_a_run_is_the_base_with_its_changes(study: Callable[..., Study]) -> None:
    found = study(low={"training.learning_rate": 1e-5}, small={"adaptation.method": "adapters"})
    assert [run.name for run in found.runs] == ["low", "small"]
    assert found.runs[0].recipe.stages[0].training.learning_rate == 1e-5
    assert found.runs[0].recipe.stages[0].training.steps == 2
    assert found.runs[1].recipe.stages[0].adaptation == {"method": "adapters"}


def test_a_wrong_key_names_the_run(study: Callable[..., Study]) -> None:
    with pytest.raises(RecipeError, match=r"run low.*\n.*learning_rat'.*learning_rate"):
        study(low={"training.learning_rat": 1e-5})


def test_runs_that_fail_stop_no_other_and_done_ones_are_skipped(study: Callable[..., Study], tmp_path: Path) -> None:
    out, console = tmp_path / "out", Console(stderr=True, quiet=True)
    found = study(bad={"source_languages": ["de"]}, good={}, lead={"baseline": "lead", "report_as": "lead"})
    failed = execute(found, out, 2, console)
    assert list(failed) == ["bad"]
    assert "has no language 'de'" in " ".join(failures(failed)[0].split())
    assert {row["method"] for row in collect(out)} == {"full", "lead"}
    log = out / "runs" / "good" / "metrics.jsonl"
    before = log.stat().st_mtime_ns
    execute(found, out, 1, console)
    assert log.stat().st_mtime_ns == before


def test_a_finished_run_of_another_recipe_is_refused(study: Callable[..., Study], tmp_path: Path) -> None:
    out, console = tmp_path / "out", Console(stderr=True, quiet=True)
    execute(study(lead={"baseline": "lead"}), out, 1, console)
    with pytest.raises(InputError, match="finished run of another recipe"):
        execute(study(lead={"baseline": {"name": "lead", "tokens": 8}}), out, 1, console)
