"""Studies: a base with differences, run in processes of their own; done runs are skipped, failed ones named."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from xlgen.core.registry import InputError
from xlgen.core.yaml_config import RecipeError
from xlgen.experiments.execute import default_workers, execute, failures
from xlgen.experiments.plan import PlannedRun, Study, load_study, only
from xlgen.experiments.worker_pool import Worker, threads_by_run, threads_of
from xlgen.runs.rows import collect


@pytest.fixture
def study(checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path) -> Callable[..., Study]:
    def make(grids: tuple[dict[str, Any], ...] = (), **runs: dict[str, Any]) -> Study:
        base = {
            "backbone": str(checkpoint("mt5")),
            "task": tiny_task(["en", "th"]),
            "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300},
            "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
        }
        path = tmp_path / "study.yaml"
        config = {"name": "tiny", "base": base, "runs": runs, "grids": list(grids)}
        path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        return load_study(str(path))

    return make


def test_a_run_is_the_base_with_its_changes(study: Callable[..., Study]) -> None:
    found = study(low={"training.learning_rate": 1e-5}, small={"adaptation.method": "adapters"})
    assert [run.name for run in found.runs] == ["low", "small"]
    assert found.runs[0].recipe.stages[0].training.learning_rate == 1e-5
    assert found.runs[0].recipe.stages[0].training.steps == 2
    assert found.runs[1].recipe.stages[0].adaptation.model_dump(exclude_unset=True) == {"name": "adapters"}


def test_a_wrong_key_names_the_run(study: Callable[..., Study]) -> None:
    with pytest.raises(RecipeError, match=r"run low.*\n.*learning_rat'.*learning_rate"):
        study(low={"training.learning_rat": 1e-5})


@pytest.mark.exhaustive
def test_runs_that_fail_stop_no_other_and_done_ones_are_skipped(study: Callable[..., Study], tmp_path: Path) -> None:
    out, console = tmp_path / "out", Console(stderr=True, quiet=True)
    found = study(bad={"source_languages": ["de"]}, good={}, lead={"baseline": "lead", "report_as": "lead"})
    failed = execute(found, out, 2, console)
    assert list(failed) == ["bad"]
    assert "has no language 'de'" in " ".join(failures(failed)[0].split())
    assert {row["method"] for row in collect(out)} == {"full", "lead"}
    log = out / "runs" / "good" / "metrics.jsonl"
    before = log.stat().st_mtime_ns
    # A run of an older version, whose recipe did not have every key that there is now, is done too.
    recipe = out / "runs" / "good" / "recipe.yaml"
    text = yaml.safe_load(recipe.read_text(encoding="utf-8"))
    del text["recipe"]["stages"][0]["evaluation"]["precision"], text["recipe"]["cache_dir"]
    recipe.write_text(yaml.safe_dump(text), encoding="utf-8")
    execute(found, out, 1, console)
    assert log.stat().st_mtime_ns == before


@pytest.mark.exhaustive
def test_a_lane_trains_one_run_after_another_as_if_each_were_alone(study: Callable[..., Study], tmp_path: Path) -> None:
    console = Console(stderr=True, quiet=True)
    prompt = {"adaptation.method": "prompt", "training.learning_rate": 0.3}
    together, alone = study(full={}, prompt=prompt), study(prompt=prompt)
    assert execute(together, tmp_path / "together", 1, console) == {}
    assert execute(alone, tmp_path / "alone", 1, console) == {}
    for file in ("checkpoints/step-2/trained.safetensors", "predictions/step-2/th.jsonl"):
        first, second = (tmp_path / name / "runs" / "prompt" / file for name in ("together", "alone"))
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.exhaustive
def test_a_study_that_is_gone_on_with_has_the_threads_it_had(
    study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two threads add up in another order than one: what is left of a study must not get the cores of all."""
    given: list[str] = []
    start = Worker.train

    def train(lane: Worker, *arguments: Any) -> int:
        given.append(lane.environment["OMP_NUM_THREADS"])
        return start(lane, *arguments)

    monkeypatch.setattr(Worker, "train", train)
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    console = Console(stderr=True, quiet=True)
    runs = {name: {"baseline": "lead", "report_as": name} for name in ("one", "two", "three", "four")}
    every = study(**runs)
    some = only(every, ["one", "two", "three"])
    execute(some, tmp_path / "out", 4, console)
    execute(every, tmp_path / "out", 4, console)  # one is left
    assert given == ["2"] * 4
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert (threads_of(1), default_workers(every), default_workers(some)) == (1, 4, 3)
    monkeypatch.setenv("OMP_NUM_THREADS", "16")
    assert threads_of(1) == 8


def test_the_last_runs_share_the_threads_of_idle_workers(
    study: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    lead = {"baseline": "lead", "report_as": "lead"}
    runs = study(one={}, two={}, three={}, lead=lead, four={}, five={}).runs
    assert threads_by_run(runs, 4) == {"one": 2, "two": 2, "three": 2, "lead": 2, "four": 2, "five": 8}
    assert threads_by_run(runs, 2) == {"one": 4, "two": 4, "three": 4, "lead": 4, "four": 4, "five": 8}
    assert threads_by_run(runs, 3)["five"] == threads_by_run(runs, 3)["four"] == 4
    assert set(threads_by_run(runs, 5).values()) == set(threads_by_run(runs, 8).values()) == {1}
    assert set(threads_by_run(runs, 4, spread=False).values()) == {2}


@pytest.mark.exhaustive
def test_a_worker_that_is_killed_fails_its_run_and_no_other(study: Callable[..., Study], tmp_path: Path) -> None:
    # The first has more steps than it will live for.
    first, second = study(first={"training.steps": 100_000}, second={}).runs
    lane = Worker(threads=1)

    def kill() -> None:
        if (tmp_path / "runs" / "first" / "recipe.yaml").exists():
            assert lane.process
            lane.process.kill()

    try:
        assert lane.train(first, tmp_path / "runs" / "first", kill) == -signal.SIGKILL
        assert lane.train(second, tmp_path / "runs" / "second", lambda: None) == 0
    finally:
        lane.close()


@pytest.mark.exhaustive
def test_a_finished_run_of_another_recipe_is_refused(study: Callable[..., Study], tmp_path: Path) -> None:
    out, console = tmp_path / "out", Console(stderr=True, quiet=True)
    execute(study(lead={"baseline": "lead"}), out, 1, console)
    with pytest.raises(InputError, match="finished run of another recipe"):
        execute(study(lead={"baseline": {"name": "lead", "tokens": 8}}), out, 1, console)


def test_a_grid_is_every_combination_of_its_axes_but_the_excluded_ones(study: Callable[..., Study]) -> None:
    methods = {"full": {}, "prompt": {"adaptation.method": "prompt", "training.learning_rate": 0.3}}
    grid = {
        "axes": {"method": methods, "training.learning_rate": [1e-3, 1e-4], "seed": [0, 1]},
        "exclude": [{"method": "full", "seed": 1}],
    }
    runs = {run.name: run.recipe for run in study((grid,), lead={"baseline": "lead"}).runs}
    assert list(runs) == [
        "lead",
        "full-learning_rate=0.001-seed=0",
        "full-learning_rate=0.0001-seed=0",
        "prompt-learning_rate=0.001-seed=0",
        "prompt-learning_rate=0.001-seed=1",
        "prompt-learning_rate=0.0001-seed=0",
        "prompt-learning_rate=0.0001-seed=1",
    ]
    last = runs["prompt-learning_rate=0.0001-seed=1"]
    assert (last.seed, last.stages[0].training.learning_rate, last.stages[0].training.steps) == (1, 1e-4, 2)
    assert last.stages[0].adaptation.model_dump(exclude_unset=True) == {"name": "prompt"}


def test_a_grid_may_have_a_base_of_its_own(study: Callable[..., Study]) -> None:
    base = {"backbone": "pocket-mt5", "unlabelled": [{"objective": {"name": "lm"}}]}
    (run,) = study(({"axes": {"seed": [3]}, "base": base},)).runs
    assert (run.name, run.recipe.seed, run.recipe.stages[0].task) == ("seed=3", 3, None)


@pytest.mark.parametrize(
    ("grid", "message"),
    [
        ({"axes": {}}, "grids.0.axes"),
        ({"axes": {"seed": [0]}, "exclude": [{"sed": 0}]}, "no axis 'sed'.*seed"),
        ({"axes": {"seed": [0]}, "exclude": [{"seed": [0, 5]}]}, "axis seed has no value 5"),
        ({"axes": {"sead": [0]}}, r"run sead=0.*\n.*'sead'.*seed"),
    ],
)
def test_wrong_grids(study: Callable[..., Study], grid: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        study((grid,))


def test_two_runs_of_one_name_are_refused(study: Callable[..., Study]) -> None:
    with pytest.raises(RecipeError, match="two runs are called seed=0"):
        study(({"axes": {"seed": [0]}}, {"axes": {"seed": [0]}}))


def test_a_run_waits_for_the_one_it_needs(
    study: Callable[..., Study], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []

    def train(
        self: Worker, run: PlannedRun, folder: Path, watch: Callable[[], None], threads: int | None = None
    ) -> int:
        events.append(f"start {run.name}")
        if run.recipe.baseline:
            assert run.recipe.baseline.run == str(tmp_path / "out" / "runs" / "full")
        time.sleep(0.05)
        events.append(f"end {run.name}")
        return 0

    monkeypatch.setattr(Worker, "train", train)
    baseline = {"name": "translate-test", "run": "{study}/runs/full", "translator": "pocket-nllb"}
    found = study(late={"baseline": baseline}, full={})
    for workers in (1, 2):
        assert execute(found, tmp_path / "out", workers, Console(stderr=True, quiet=True)) == {}
    assert events == ["start full", "end full", "start late", "end late"] * 2


def test_only_some_runs(study: Callable[..., Study]) -> None:
    found = study(low={"training.learning_rate": 1e-5}, lead={"baseline": "lead"}, seven={"seed": 7})
    assert [run.name for run in only(found, ["seven", "l*"]).runs] == ["low", "lead", "seven"]
    with pytest.raises(RecipeError, match=r"study tiny has no run 'sevn': .*seven"):
        only(found, ["l*", "sevn"])
