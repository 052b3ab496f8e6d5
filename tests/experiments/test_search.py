"""A study that searches: its waves, what follows what, and the same runs again after any kill."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from rich.console import Console

from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import RecipeError
from xlgen.experiments import search as module
from xlgen.experiments.execute import failures
from xlgen.experiments.plan import PlannedRun, Study, load_study
from xlgen.experiments.policies import Trial
from xlgen.experiments.search import at, progress, search, wanted_runs
from xlgen.runs.rows import collect
from xlgen.training.run import train

CONSOLE = Console(stderr=True, quiet=True)
BASE: dict[str, Any] = {
    "backbone": "pocket-mt5",
    "task": "pocket-summaries",
    "training": {"steps": 2, "warmup_steps": 0, "batch_tokens": 300},
    "evaluation": {"every": None, "split": "test", "examples": 2, "bootstrap": 0, "max_new_tokens": 4},
}
METHODS = {"full": {}, "adapters": {"adaptation.method": "adapters"}, "mixing": {"training.dropout": 0.2}}


@pytest.fixture
def study(tmp_path: Path) -> Callable[..., Study]:
    def make(base: dict[str, Any] = BASE, **config: Any) -> Study:
        path = tmp_path / "study.yaml"
        whole = {"name": "tiny", "base": base, "runs": METHODS, "search": {}, **config}
        path.write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
        return load_study(str(path))

    return make


def score(run: PlannedRun) -> float:
    """Full finetuning is best at 1e-4, adapters at 1e-2, mixing at ten times what full finetuning has."""
    rate = run.recipe.stages[0].training.learning_rate
    peak = {"full": 3e-4, "adapters": 1e-2, "mixing": 3e-3}[run.name.split("-")[0]]
    return 50 - 10 * abs((rate - peak) / (rate + peak)) + run.recipe.seed


def finish(run: PlannedRun, out: Path, status: str = "done") -> None:
    """Leave what a run leaves."""
    folder = out / "runs" / run.name
    folder.mkdir(parents=True)
    text = {"recipe": run.recipe.model_dump(mode="json")}
    (folder / "recipe.yaml").write_text(yaml.safe_dump(text), encoding="utf-8")
    (folder / "state.json").write_text(json.dumps({"status": status}), encoding="utf-8")
    figures = [
        {"event": "figure", "step": 2, "language": code, "metric": metric, "value": value, "signature": ""}
        for code in ("en", "th")
        for metric, value in (("rougeL", score(run)), ("correct_language_rate", 99.0))
    ]
    lines = figures if status == "done" else []
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


class Machine:
    """Stands for ``execute``: runs end at once, fail or diverge, and the process dies after so many."""

    def __init__(self) -> None:
        self.waves: list[list[str]] = []
        self.failing: set[str] = set()
        self.diverging: set[str] = set()
        self.lives: int | None = None

    @property
    def runs(self) -> list[str]:
        return [name for wave in self.waves for name in wave]

    def __call__(self, study: Study, out: Path, *_: object, **named: object) -> dict[str, str]:
        self.waves.append([run.name for run in study.runs])
        failed = {}
        for run in study.runs:
            if self.lives is not None and self.lives == 0:
                raise KeyboardInterrupt
            self.lives = None if self.lives is None else self.lives - 1
            if run.name in self.failing:
                failed[run.name] = "no memory"
            elif run.name in self.diverging:
                finish(run, out, "diverged")
                failed[run.name] = "diverged"
            else:
                finish(run, out)
        return failed


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    found = Machine()
    monkeypatch.setattr(module, "execute", found)
    return found


def names(base: str, *rates: str) -> list[str]:
    return [f"{base}-{rate}" for rate in rates]


FOLLOW = {"search": {"follow": {"mixing": "full"}, "repeat": {"seed": [1, 2]}}}
FULL = names("full", "1e-3", "1e-4", "1e-5", "3e-4", "3e-4-seed=1", "3e-4-seed=2")
ADAPTERS = names("adapters", "1e-3", "1e-4", "1e-5", "1e-2", "1e-1", "1e-2-seed=1", "1e-2-seed=2")
MIXING = names("mixing", "3e-4", "3e-3", "3e-3-seed=1", "3e-3-seed=2")


def test_waves(study: Callable[..., Study], machine: Machine, tmp_path: Path) -> None:
    found = study(**FOLLOW)
    assert search(found, tmp_path / "out", 2, CONSOLE) == {}
    assert machine.waves[:2] == [[*FULL[:3], *ADAPTERS[:3]], [FULL[3], ADAPTERS[3]]]
    assert sorted(machine.runs) == sorted([*FULL, *ADAPTERS, *MIXING])
    assert {state.base.name: state.chosen for state in progress(found, tmp_path / "out")} == {
        "full": 3e-4,
        "adapters": 1e-2,
        "mixing": 3e-3,
    }
    assert search(found, tmp_path / "out", 2, CONSOLE) == {}
    assert len(machine.runs) == len([*FULL, *ADAPTERS, *MIXING]), "nothing is missing, so nothing is run"


@pytest.mark.spread(1)
@pytest.mark.parametrize("lives", range(17))
def test_a_search_that_was_killed_makes_the_same_runs(
    lives: int, study: Callable[..., Study], machine: Machine, tmp_path: Path
) -> None:
    found, out = study(**FOLLOW), tmp_path / "out"
    machine.lives = lives
    try:
        search(found, out, 2, CONSOLE)
    except KeyboardInterrupt:
        machine.lives = None
        search(found, out, 2, CONSOLE)
    assert sorted(path.name for path in (out / "runs").iterdir()) == sorted([*FULL, *ADAPTERS, *MIXING])


def test_a_rate_at_which_training_fails_or_diverges_is_the_worst(
    study: Callable[..., Study], machine: Machine, tmp_path: Path
) -> None:
    found = study(runs={"full": {}})
    machine.diverging, machine.failing = {"full-1e-4"}, {"full-3e-4", "full-3e-3"}
    assert set(search(found, tmp_path / "out", 1, CONSOLE)) == {"full-1e-4", "full-3e-3"}
    assert machine.runs == names("full", "1e-3", "1e-4", "1e-5", "1e-2", "3e-3")
    machine.waves.clear()
    machine.failing = set()
    search(found, tmp_path / "out", 1, CONSOLE)
    assert machine.runs == ["full-3e-3"], "what failed is tried again, what diverged is not"


def test_a_search_ends_undecided_where_a_run_is_lost(
    study: Callable[..., Study], machine: Machine, tmp_path: Path
) -> None:
    """A worker that died says nothing of its rate: no other rate is tried in its place, and nothing is chosen."""
    found, out = study(**FOLLOW), tmp_path / "out"
    machine.failing = {"full-1e-4", "adapters-1e-3"}
    assert set(search(found, out, 1, CONSOLE)) == machine.failing
    assert machine.waves == [[*FULL[:3], *ADAPTERS[:3]]]
    assert all(state.chosen is None for state in progress(found, out, machine.failing))
    machine.failing, machine.waves = set(), []
    assert search(found, out, 1, CONSOLE) == {}
    assert machine.waves[0] == ["full-1e-4", "adapters-1e-3"]
    assert {state.base.name: state.chosen for state in progress(found, out)} == {
        "full": 3e-4,
        "adapters": 1e-2,
        "mixing": 3e-3,
    }


def test_policies_by_name_baselines_and_criterion(
    study: Callable[..., Study], machine: Machine, tmp_path: Path
) -> None:
    config = {"policies": {"adapters": {"name": "grid", "values": [0.5]}}, "criterion": "label-free"}
    runs = {"full": {}, "adapters": METHODS["adapters"], "lead": {"baseline": "lead"}}
    found = study(runs=runs, search=config)
    assert [run.name for run in wanted_runs(found, tmp_path / "out")] == [
        "lead", *names("full", "1e-3", "1e-4", "1e-5"), "adapters-5e-1"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"follow": {"mixing": "all"}}, "mixing is to follow all, but the study has no such run"),
        ({"follow": {"mixing": "full", "full": "adapters"}}, "that run follows another run itself"),
        ({"policy": "halving"}, "full: a search that stops runs early needs `evaluation.every`"),
    ],
)
def test_searches_that_cannot_be_made_of_these_runs(
    study: Callable[..., Study], tmp_path: Path, config: Any, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        wanted_runs(study(search=config), tmp_path / "out")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"policy": "chirkov"}, "chirkova"),
        ({"criterion": "targets"}, "target"),
        ({"policies": {"full": {"name": "grid"}}}, "values"),
        ({"polic": "grid"}, "policy"),
    ],
)
def test_wrong_searches_are_refused_before_anything_runs(
    study: Callable[..., Study], config: Any, message: str
) -> None:
    with pytest.raises((RecipeError, InputError), match=message):
        study(search=config)


def test_a_run_at_a_rate_is_the_recipe_with_that_rate() -> None:
    base = PlannedRun("a", Recipe.model_validate({"name": "a", **BASE}))
    run = at(base, Trial(3e-4))
    assert run.name == "a-3e-4" and run.recipe.stages[0].training.learning_rate == 3e-4
    assert at(run, Trial(1e-4)).recipe.model_copy(update={"name": "a"}) == base.recipe
    assert base.recipe.stages[0].training.learning_rate == 1e-4


@pytest.mark.exhaustive
def test_really(
    study: Callable[..., Study], checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    """Two tiny methods through real training: every run that the search names is there and done."""
    base = {**BASE, "backbone": str(checkpoint("mt5")), "task": tiny_task(["en", "th"])}
    options = {"policy": {"name": "chirkova", "start": [2, 3], "largest": 2, "smallest": 3}, "repeat": {"seed": [1]}}
    found, out = study(base, runs={"full": {}, "lead": {"baseline": "lead"}}, search=options), tmp_path / "out"
    assert not failures(search(found, out, 1, CONSOLE))
    (state,) = progress(found, out)
    assert state.chosen is not None and set(state.tried) >= {1e-2, 1e-3}
    runs = {row["run"] for row in collect(out)}
    assert runs == {run.name for run in wanted_runs(found, out)}
    assert f"{at(state.base, Trial(state.chosen)).name}-seed=1" in runs and "lead" in runs


def test_target_labels_that_are_not_read_cannot_be_searched_for(study: Callable[..., Study], tmp_path: Path) -> None:
    base = {**BASE, "evaluation": {**BASE["evaluation"], "references": "source"}}
    with pytest.raises(InputError, match=r"full: the criterion 'target' needs references .* label-free"):
        search(study(base), tmp_path / "out", 1, CONSOLE)
    assert wanted_runs(study(base, search={"criterion": "label-free"}), tmp_path / "out")


@pytest.mark.exhaustive
def test_halving_really_stops_runs_and_goes_on_with_the_better_ones(
    study: Callable[..., Study], checkpoint: Callable[[str], Path], tiny_task: Callable[..., str], tmp_path: Path
) -> None:
    """What went on after a pause is what it would be without one; what did not stays paused, and nothing is left."""
    base = {**BASE, "backbone": str(checkpoint("mt5")), "task": tiny_task(["en", "th"])}
    base["training"] = {**base["training"], "steps": 4, "dropout": 0.1}
    base["evaluation"] = {**base["evaluation"], "every": 1}
    policy = {"name": "halving", "values": [1e-2, 1e-3, 1e-4, 1e-5], "language_rate": 0}
    found, out = study(base, runs={"full": {}}, search={"policy": policy}), tmp_path / "out"
    lanes = os.cpu_count() or 1  # so that each has one thread, with which sums come out the same
    assert not failures(search(found, out, lanes, CONSOLE))
    states = {
        each.name: json.loads((each / "state.json").read_text()) for each in (out / "runs").iterdir() if each.is_dir()
    }
    assert sorted((state["step"], state["status"]) for state in states.values()) == [
        (1, "paused"), (1, "paused"), (2, "paused"), (4, "done")
    ]  # fmt: skip
    (state,) = progress(found, out)
    chosen = at(state.base, Trial(state.chosen or 0.0))
    assert states[chosen.name]["status"] == "done"
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    train(chosen.recipe, tmp_path / "alone")
    torch.set_num_threads(threads)
    for kind in ("step", "figure"):
        assert _events(out / "runs" / chosen.name, kind) == _events(tmp_path / "alone", kind)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*")}
    assert not search(found, out, lanes, CONSOLE)
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*")}, "a search that has ended does nothing"


def _events(folder: Path, kind: str) -> list[dict[str, Any]]:
    """Without what differs between any two runs: times, and what was logged because it was a last step."""
    lines = map(json.loads, (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    found = [line for line in lines if line["event"] == kind]
    return [{key: value for key, value in each.items() if key not in ("time", "steps_per_second")} for each in found]
