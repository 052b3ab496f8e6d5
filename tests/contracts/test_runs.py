"""Properties of every registered adaptation method in complete runs, with all of its stages.

Checkpoints generate the same in another process, a killed run resumes exactly, two processes compute the same as one,
and frozen parameters keep their exact values.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from xlgen.adaptation.base import methods
from xlgen.core.config import Recipe
from xlgen.evaluation.evaluate import evaluate
from xlgen.pocket.world import LANGUAGES
from xlgen.runs.checkpoints import checkpoints_of
from xlgen.runs.folder import RunFolder
from xlgen.training.callbacks import Callback
from xlgen.training.run import train
from xlgen.training.state import TrainingState

Stages = list[dict[str, Any]]


def in_two_stages(**options: Any) -> dict[str, Stages]:
    """Languages first, then the task; and the same with the source language's part kept."""
    first = {"languages": LANGUAGES, **options}
    last = {**first, "learn": "task"}
    return {"": [first, last], "source": [first, {**last, "keep_source_language": True}]}


# The one place that says how a method is run, where its defaults and one stage do not say all: options of each stage.
VARIANTS: dict[str, dict[str, Stages]] = {
    "adapters": {name: [{"placement": name}] for name in ("houlsby", "bapna", "parallel")},
    "factorized": in_two_stages(
        num_language_tokens=20, num_task_tokens=20, init="vocabulary", tasks=["tiny", "lm"], init_task="lm"
    ),
    "madx": in_two_stages(language_bottleneck_dim=5, task_bottleneck_dim=4),
}
RUNS = {
    f"{method}-{variant}".removesuffix("-"): [{"method": method, **options} for options in stages]
    for method in methods.names()
    for variant, stages in VARIANTS.get(method, {"": [{}]}).items()
}
STEPS = 4
# A rate at which a few steps change what is generated, and dropout, which draws random numbers.
ROUGH = {"learning_rate": 0.3, "dropout": 0.1}
# Without what makes much of little differences, or draws other numbers in each process.
SMOOTH = {"learning_rate": 1e-2, "dropout": 0.0}


def recipe(name: str, task: str, backbone: Path, evaluated: Sequence[str], **training: Any) -> Recipe:
    """Titles in English and unlabelled text in all languages, and weight decay, which changes what is not frozen."""
    objective = {"name": "lm", "max_tokens": 30}
    stage = {
        "task": task,
        "unlabelled": [{"objective": objective, "corpus": {"reader": "pocket", "size": 2}, "rate": 0.5}],
        "training": {
            "steps": STEPS,
            "warmup_steps": 0,
            "optimizer": "adamw",
            "weight_decay": 0.1,
            "batch_tokens": 300,
            "max_examples": 5,
            "log_every": 1,
            "save_every": 2,
            **training,
        },
        "evaluation": {"languages": evaluated, "split": "test", "examples": 1, "bootstrap": 0, "max_new_tokens": 5},
    }
    stages = [{**stage, "adaptation": adaptation} for adaptation in RUNS[name]]
    return Recipe.model_validate({"name": name, "backbone": str(backbone), "stages": stages})


@dataclass
class Runs:
    """The same runs, each in a folder of its own under ``root``."""

    recipes: dict[str, Recipe]
    root: Path

    def folder(self, name: str) -> Path:
        return self.root / name

    def places(self, name: str) -> list[Path]:
        stages = len(self.recipes[name].stages)
        return [RunFolder(self.folder(name)).stage(index, stages) for index in range(stages)]

    def elsewhere(self, command: str, *launcher: str, **environment: str) -> None:
        """Do ``command`` of elsewhere.py in a process of its own."""
        file = self.root / f"{command}.json"
        given = {
            name: {"recipe": r.model_dump(mode="json"), "folder": str(self.folder(name))}
            for name, r in self.recipes.items()
        }
        file.write_text(json.dumps(given), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *launcher, str(Path(__file__).with_name("elsewhere.py")), command, str(file)],
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-3000:]


@pytest.fixture(scope="module")
def runs_of(
    request: pytest.FixtureRequest,
    checkpoint: Callable[[str], Path],
    tiny_task: Callable[..., str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[..., Runs]:
    """On mBART, which has all that any method trains (mT5 has no biases)."""
    task, backbone = tiny_task(LANGUAGES), checkpoint("mbart")

    # Those whose cases are run: see tiers.py.
    wanted = {item.callspec.params["name"] for item in _cases(request)}

    def make(folder: str, evaluated: Sequence[str] = LANGUAGES, **training: Any) -> Runs:
        recipes = {name: recipe(name, task, backbone, evaluated, **training) for name in RUNS if name in wanted}
        return Runs(recipes, tmp_path_factory.mktemp(folder))

    return make


def _cases(request: pytest.FixtureRequest) -> Iterator[pytest.Function]:
    """The selected tests of this file."""
    for item in request.session.items:
        if isinstance(item, pytest.Function) and item.path == Path(__file__) and "name" in item.callspec.params:
            yield item


@dataclass
class Watched:
    """A stage in the process that trains it."""

    untrained: dict[str, str]
    """The outputs before training, by language."""
    before: dict[str, Tensor]
    """All tensors before training."""
    changed: set[str] = field(default_factory=set)
    """Parameters and buffers that training has changed."""
    declared: set[str] = field(default_factory=set)
    """Parameters that the method declares as trained."""


class Watch(Callback):
    """Compares the tensors of each stage before and after training."""

    def __init__(self) -> None:
        self.stages: dict[Path, Watched] = {}
        """By the stage's folder."""

    def before_training(self, state: TrainingState) -> None:
        context, prepared = state.context, state.prepared
        assert context.task is not None
        rows = evaluate(prepared.backbone, prepared.method, context.task, context.stage.evaluation, prepared.examples)
        untrained = {code: row["raw"] for code, (row,) in rows.items()}
        self.stages[context.place] = Watched(untrained, tensors(prepared.backbone.model))

    def after_step(self, state: TrainingState) -> None:
        if state.step != STEPS:
            return
        backbone, method, watched = state.prepared.backbone, state.prepared.method, self.stages[state.context.place]
        after = tensors(backbone.model)
        assert set(watched.before) == set(after)
        watched.changed = {name for name, tensor in after.items() if not torch.equal(tensor, watched.before[name])}
        names = [name for name, _ in backbone.model.named_parameters()]
        watched.declared = {name for name in names if method.trains(name, backbone)}


@pytest.fixture(scope="module")
def watch() -> Watch:
    """Filled by ``whole``."""
    return Watch()


@pytest.fixture(scope="module")
def whole(runs_of: Callable[..., Runs], watch: Watch) -> Runs:
    """Uninterrupted runs in this process."""
    runs = runs_of("whole", **ROUGH)
    for name, settings in runs.recipes.items():
        train(settings, runs.folder(name), callbacks=[watch])
    return runs


@pytest.fixture(scope="module")
def killed(runs_of: Callable[..., Runs]) -> Runs:
    """The same runs, each killed in the middle of every stage, and resumed except after the last kill."""
    runs = runs_of("killed", **ROUGH)
    runs.elsewhere("kill")
    return runs


def tensors(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: t.detach().clone() for name, t in [*model.named_parameters(), *model.named_buffers()]}


def weights(place: Path) -> dict[str, Tensor]:
    """All tensors of the last checkpoint."""
    (last,) = (place / "checkpoints").glob(f"step-{STEPS}")
    return {k: t for file in sorted(last.rglob("*.safetensors")) for k, t in load_file(file).items()}


def predictions(folder: Path) -> dict[str, str]:
    """The files of generated texts, by language."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.jsonl"))}


def steps(place: Path) -> list[dict[str, Any]]:
    """The log of the steps, without what differs between any two runs."""
    found = map(json.loads, (place / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        {k: v for k, v in e.items() if k not in ("time", "steps_per_second")} for e in found if e["event"] == "step"
    ]


@pytest.mark.spread(1)
@pytest.mark.parametrize("name", RUNS)
def test_frozen_parameters_keep_their_exact_values(name: str, whole: Runs, watch: Watch) -> None:
    for place in whole.places(name):
        watched = watch.stages[place]
        assert watched.changed and watched.changed == watched.declared


@pytest.fixture(scope="module")
def loaded(whole: Runs) -> Runs:
    """The checkpoints of the whole runs have generated in a new process."""
    whole.elsewhere("evaluate")
    return whole


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RUNS)
def test_a_new_process_generates_the_same_in_every_language(name: str, loaded: Runs, watch: Watch) -> None:
    for index, place in enumerate(loaded.places(name)):
        expected = predictions(place / "predictions" / f"step-{STEPS}")
        assert set(expected) == set(LANGUAGES)
        trained = {code: json.loads(text)["raw"] for code, text in expected.items()}
        # Factorized prompts move no greedy text of this random model; test_methods.py compares their logits.
        if not name.startswith("factorized"):
            assert trained != watch.stages[place].untrained, "training changes nothing, so that nothing is shown"
        assert predictions(loaded.folder(name) / "again" / str(index) / "predictions") == expected


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RUNS)
def test_a_killed_run_resumes_exactly(name: str, whole: Runs, killed: Runs) -> None:
    """SIGKILL in each stage, between two checkpoints. This process resumes the run after the last kill."""
    last = killed.folder(name)
    assert [path.name for path in checkpoints_of(last)] == ["step-2"]
    assert steps(last)[-1]["step"] == 3
    train(killed.recipes[name], last, resume=True)
    for one, other in zip(whole.places(name), killed.places(name), strict=True):
        assert steps(one) == steps(other) and len(steps(one)) == STEPS
        expected, found = weights(one), weights(other)
        assert set(found) == set(expected) and all(torch.equal(found[k], t) for k, t in expected.items())
        assert predictions(one / "predictions" / "step-4") == predictions(other / "predictions" / "step-4")


@pytest.fixture(scope="module")
def one_process(runs_of: Callable[..., Runs]) -> Runs:
    runs = runs_of("one", evaluated=["fr"], **SMOOTH)
    for name, settings in runs.recipes.items():
        train(settings, runs.folder(name))
    return runs


@pytest.fixture(scope="module")
def two_processes(runs_of: Callable[..., Runs]) -> Runs:
    runs = runs_of("two", evaluated=["fr"], **SMOOTH)
    # Without MPI, accelerate starts several processes only through torchrun, whose flag is --multi_gpu.
    options = "--multi_gpu --num_processes 2 --num_machines 1 --mixed_precision no --main_process_port 0"
    runs.elsewhere("train", "-m", "accelerate.commands.launch", *options.split(), ACCELERATE_USE_CPU="true")
    return runs


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_get_the_losses_of_one(name: str, one_process: Runs, two_processes: Runs) -> None:
    for one, two in zip(one_process.places(name), two_processes.places(name), strict=True):
        assert json.loads((two / "metrics.jsonl").read_text().splitlines()[0])["processes"] == 2
        expected, found = steps(one), steps(two)
        assert len(found) == STEPS
        for key in ("loss", "gradient_norm"):  # Adam alone would not see gradients of another size
            assert [e[key] for e in found] == pytest.approx([e[key] for e in expected], rel=1e-4), key
