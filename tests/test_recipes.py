"""Every recipe, study and task file that ships is right, says what it is for, and names things that exist."""

import importlib
import re
from pathlib import Path

import pytest

from xlgen.adaptation.base import methods
from xlgen.backbones.loading import embedded
from xlgen.core.config import Recipe, load_recipe, validate
from xlgen.core.shipped import shipped
from xlgen.core.yaml_config import read_yaml
from xlgen.data.objectives import objectives
from xlgen.data.readers import readers
from xlgen.data.tasks import load_task
from xlgen.experiments.plan import load_study
from xlgen.metrics.score import choose

ROOT = Path(__file__).resolve().parents[1] / "src" / "xlgen" / "recipes"
BENCHMARKS = ROOT.parents[2] / "benchmarks"
FILES = {str(path.relative_to(ROOT)): path for path in sorted(ROOT.rglob("*.yaml"))}
STUDIES = {name: path for name, path in FILES.items() if "base" in read_yaml(path)}
TASKS = {name: path for name, path in FILES.items() if name.startswith("tasks/")}
RECIPES = {name: path for name, path in FILES.items() if name not in {**STUDIES, **TASKS}}


def check(recipe: Recipe) -> None:
    """Whatever a recipe names is there."""
    if recipe.backbone.name.startswith("pocket-"):
        assert recipe.backbone.name in embedded()
    for stage in recipe.stages:
        methods.build(stage.adaptation)
        if stage.task:
            load_task(stage.task, Path()).check_languages((*stage.source_languages, *stage.evaluation.languages))
        for unlabelled in stage.unlabelled:
            options = dict(unlabelled.objective)
            validate(objectives.get(options.pop("name")).Options, options, "objective")
            readers.build(unlabelled.corpus, Path())


@pytest.mark.parametrize("script", ["full_shapes", "full_shapes_heads"])
def test_recipe_inside_a_benchmark(script: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A benchmark is run by hand and rarely: what it names is renamed unseen."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    file = tmp_path / "recipe.yaml"
    file.write_text(importlib.import_module(script).RECIPE.replace("FOLDER", "pocket-mt5"), encoding="utf-8")
    check(load_recipe(str(file)))


def test_there_are_some() -> None:
    assert "quickstart.yaml" in STUDIES
    assert len(RECIPES) >= 4
    assert len(TASKS) >= 4


@pytest.mark.parametrize("path", RECIPES.values(), ids=RECIPES)
def test_recipe(path: Path) -> None:
    recipe = load_recipe(str(path))
    assert recipe.name == path.stem, "a run is found by its recipe's name"
    check(recipe)


@pytest.mark.spread(3)
@pytest.mark.parametrize("path", STUDIES.values(), ids=STUDIES)
def test_study(path: Path) -> None:
    study = load_study(str(path))
    assert study.name == path.stem
    assert len({run.name for run in study.runs}) == len(study.runs)
    assert len({repr({**run.recipe.model_dump(), "name": ""}) for run in study.runs}) == len(study.runs), "no run twice"
    for run in study.runs:
        assert run.recipe.name == run.name
        check(run.recipe)


@pytest.mark.parametrize("path", TASKS.values(), ids=TASKS)
def test_task(path: Path) -> None:
    task = load_task(str(path), Path())
    figures = [figure.name for _, chosen in choose(task.config.metrics) for figure in chosen]
    assert task.config.main_metric in figures
    assert task.config.name == path.stem


def test_pocket_tasks_give_examples_in_every_language_and_split() -> None:
    for name in (name for name in shipped("tasks") if name.startswith("pocket-")):
        task = load_task(name, Path())
        for language in task.languages:
            for split in ("train", "validation", "test"):
                example, *_ = task.examples(language, split, 1)  # of a ranking task a whole group
                assert example.source
                assert example.targets[0]


def test_quickstart_is_the_first_papers_experiment() -> None:
    """Three learning rates, adapters, the supervised bound and LEAD, on 12 languages."""
    runs = {run.name: run.recipe for run in load_study("quickstart").runs}
    stages = {name: recipe.stages[0] for name, recipe in runs.items()}
    english = {name for name, stage in stages.items() if stage.source_languages == ("en",) and not runs[name].baseline}
    full = [stages[name] for name in english if stages[name].adaptation.name == "full"]
    assert len({stage.training.learning_rate for stage in full}) == 3
    assert any(stages[name].adaptation.name == "adapters" for name in english)
    assert {recipe.report_as for recipe in runs.values()} >= {"sup-all", "lead"}
    assert {stage.task for stage in stages.values()} == {"pocket-summaries"}
    assert len(load_task("pocket-summaries", Path()).languages) == 12


def test_overrides_reach_every_run_of_a_study() -> None:
    study = load_study("quickstart", ["training.steps=3", "evaluation.languages=[th, zh]"])
    for run in study.runs:
        assert run.recipe.stages[0].training.steps == 3
        assert run.recipe.stages[0].evaluation.languages == ("th", "zh")


@pytest.mark.parametrize("path", FILES.values(), ids=FILES)
def test_a_file_opens_with_its_purpose_and_the_command_that_runs_it(path: Path) -> None:
    comments = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert len(comments[0]) > 20
    if path.parent.name != "tasks":
        assert any(
            line.startswith(("#   xlgen train ", "#   xlgen quickstart", "#   xlgen study ")) for line in comments
        )
    if path.parent.name == "papers":
        papers = r"(Chirkova|Vu|Li|Ji|Murray)\b.* \(?20\d\d"
        assert re.search(papers, " ".join(line.lstrip("# ") for line in comments)), "source"
