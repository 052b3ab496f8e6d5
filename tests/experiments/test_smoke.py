"""Miniatures: what gives way and what stays, which runs are of one kind, and that the command line runs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from xlgen.backbones.base import BackboneError
from xlgen.cli import app
from xlgen.core.config import Recipe, load_recipe
from xlgen.core.registry import InputError
from xlgen.core.shipped import find_recipe, shipped
from xlgen.core.yaml_config import read_yaml
from xlgen.experiments.execute import needs
from xlgen.experiments.plan import PlannedRun, Study, load_study
from xlgen.experiments.smoke import run_smoke, smoke_recipe, smoke_search, smoke_study
from xlgen.pocket.world import LANGUAGES
from xlgen.training.run import train

C4 = {"reader": "hub", "dataset": "allenai/c4", "streaming": True}


def recipe(**changes: Any) -> Recipe:
    return Recipe.model_validate({"name": "r", "backbone": "google/mt5-xl", "task": "wikilingua", **changes})


def check(found: Recipe) -> None:
    """Nothing is left that is not in the package."""
    assert found.backbone.name.startswith("pocket-")
    for stage in found.stages:
        assert stage.task is None or stage.task.startswith("pocket-")
        assert stage.training.steps == 2
        named = [*stage.source_languages, *stage.evaluation.languages, *getattr(stage.adaptation, "languages", ())]
        named += [code for text in stage.unlabelled for code in text.languages]
        assert set(named) <= set(LANGUAGES)
        assert all(text.corpus.name.startswith("pocket") for text in stage.unlabelled)
    assert "facebook" not in found.model_dump_json()


@pytest.mark.spread(10)
@pytest.mark.parametrize("name", [*shipped("pocket"), *shipped("papers"), *shipped("examples")])
def test_every_shipped_recipe_has_a_miniature(name: str) -> None:
    if "base" in read_yaml(find_recipe(name)):
        for run in smoke_study(load_study(name)).runs:
            check(run.recipe)
    else:
        check(smoke_recipe(load_recipe(name)))


def test_what_stays() -> None:
    text = {"objective": {"name": "lm", "max_tokens": 99}, "corpus": C4, "languages": ["sw", "de", "ru"], "rate": 0.01}
    found = smoke_recipe(
        recipe(
            source_languages=["en", "de"],
            unlabelled=[text],
            adaptation={"method": "prompt", "num_virtual_tokens": 7},
            training={"optimizer": "adafactor", "schedule": "constant", "precision": "bf16", "accumulation": 8},
            evaluation={"languages": ["ja", "sw"], "num_beams": 4},
        )
    )
    (stage,) = found.stages
    assert stage.adaptation.model_dump(exclude_unset=True) == {"name": "prompt", "num_virtual_tokens": 7}
    assert (stage.training.optimizer, stage.training.schedule, stage.training.precision) == (
        "adafactor",
        "constant",
        "auto",
    )
    assert stage.training.gradient_accumulation_steps == 2
    assert stage.evaluation.num_beams == 4
    assert stage.unlabelled[0].objective.model_dump(exclude_unset=True) == text["objective"]
    assert stage.unlabelled[0].rate == 0.5
    # German is the first besides English and becomes French, Japanese the second and becomes Thai; no room for others.
    assert stage.source_languages == ("en", "fr")
    assert stage.evaluation.languages == ("th",)
    assert stage.unlabelled[0].languages == ("fr",)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("google/umt5-small", "pocket-mt5"),
        ("DKYoon/mt5-xxl-lm-adapt", "pocket-mt5"),
        ("facebook/mbart-large-50-many-to-many-mmt", "pocket-mbart"),
        ("facebook/nllb-200-distilled-600M", "pocket-nllb"),
        ("pocket-nllb", "pocket-nllb"),
    ],
)
def test_a_backbone_of_the_same_family(name: str, expected: str) -> None:
    assert smoke_recipe(recipe(backbone=name)).backbone.name == expected


@pytest.mark.parametrize(
    ("name", "task", "expected"),
    [
        ("google-bert/bert-base-multilingual-cased", "xglue-pos", ("pocket-mbart", "pocket-roles")),
        ("FacebookAI/xlm-roberta-base", "xglue-xnli", ("pocket-mbart", "pocket-asks")),
        ("facebook/nllb-200-distilled-600M", "xglue-wpr", ("pocket-nllb", "pocket-passages")),
    ],
)
def test_tasks_with_a_head_keep_one(name: str, task: str, expected: tuple[str, str]) -> None:
    found = smoke_recipe(recipe(backbone=name, task=task))
    assert (found.backbone.name, found.stages[0].task) == expected


def test_the_family_of_a_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "umt5"}))
    assert smoke_recipe(recipe(backbone=str(tmp_path))).backbone.name == "pocket-mt5"
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "gpt2"}))
    with pytest.raises(BackboneError, match="'gpt2' checkpoint"):
        smoke_recipe(recipe(backbone=str(tmp_path)))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(InputError, match=r"no embedded backbone to replace .* of the family bert"):
        smoke_recipe(recipe(backbone=str(tmp_path)))
    assert smoke_recipe(recipe(backbone=str(tmp_path), task="pos-pud")).backbone.name == "pocket-mbart"


@pytest.mark.parametrize(
    ("task", "expected"),
    [
        ("squad-xquad", "pocket-qa"),
        ("squad-xquad-hub", "pocket-qa"),
        ("xlsum", "pocket-summaries"),
        ("xlsum-headlines", "pocket-titles"),
        ("tydiqa-cloze", "pocket-qa"),
        ("paws-x-cloze", "pocket-labels"),
        ("xnli", "pocket-labels"),
        ("udpos", "pocket-labels"),
        ("wikiann", "pocket-labels"),
        ("pos-pud", "pocket-roles"),
        ("ner-wikineural", "pocket-roles"),
    ],
)
def test_a_task_of_the_same_kind(task: str, expected: str) -> None:
    assert smoke_recipe(recipe(task=task)).stages[0].task == expected


def test_sizes_seeds_rates_and_targets_are_one_kind() -> None:
    def run(name: str, **changes: Any) -> PlannedRun:
        return PlannedRun(name, recipe(**changes))

    later = {"name": "translate-test", "run": "{study}/runs/xl", "translator": "facebook/nllb-200-3.3B"}
    study = Study(
        "s",
        (
            run("later", baseline=later),
            run("small", backbone="google/mt5-small", evaluation={"languages": ["ru"]}),
            run("xl", seed=3, training={"learning_rate": 0.5}, evaluation={"languages": ["cs"]}, report_as="x"),
            run("two", evaluation={"languages": ["ru", "cs"]}),
            run("adapters", adaptation="adapters", evaluation={"languages": ["ru"]}),
        ),
    )
    found = {run.name: run for run in smoke_study(study).runs}
    assert list(found) == ["small", "two", "adapters", "later"], "what another run needs comes before it"
    assert needs(found["later"]) == "small", "the run that stands for the one it named"
    assert found["later"].recipe.baseline.model_dump(exclude_unset=True) == {
        **later,
        "run": "{study}/runs/small",
        "translator": "pocket-nllb",
    }


def pretend(recipe: Recipe, out: Path, resume: bool, until: int | None = None) -> None:
    """The folder of a run whose score is its rate."""
    out.mkdir(parents=True)
    (out / "recipe.yaml").write_text(yaml.safe_dump({"recipe": recipe.model_dump(mode="json")}), encoding="utf-8")
    (out / "state.json").write_text('{"status": "done"}')
    value = {"metric": "rougeL", "value": recipe.stages[-1].training.learning_rate, "low": None, "high": None, "n": 1}
    figures = [{"event": "figure", "step": 2, "language": code, **value, "signature": ""} for code in ("en", "fr")]
    (out / "metrics.jsonl").write_text("".join(json.dumps(figure) + "\n" for figure in figures))


def test_a_search_goes_through_its_waves_for_one_run_and_one_that_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two rates, three times the best of them; its rate and ten times that; the best again with another seed."""
    monkeypatch.setattr("xlgen.training.run.train", pretend)
    base = {"backbone": "google/mt5-xxl", "task": "xlsum", "evaluation": {"languages": ["en", "sw"]}}
    text = {"objective": {"name": "lm"}, "corpus": C4, "languages": ["sw"], "rate": 0.1}
    runs = {"full": {}, "adapters": {"adaptation": "adapters"}, "mixing": {"unlabelled": [text]}}
    path = tmp_path / "searched.yaml"
    search = {
        "policy": {"name": "chirkova", "start": [1, 2, 3]},
        "follow": {"mixing": "full"},
        "repeat": {"seed": [1, 2]},
    }
    path.write_text(yaml.safe_dump({"base": base, "runs": runs, "search": search}, sort_keys=False), encoding="utf-8")
    study = load_study(str(path))
    small = smoke_search(study)
    assert small is not None and small.search is not None
    assert [run.name for run in small.runs] == ["full", "mixing"]
    said: list[str] = []
    assert run_smoke(study, tmp_path / "out", said.append) == {}
    assert [line.removesuffix(": done") for line in said] == [
        *("full", "adapters", "mixing"),
        *("full-1e-3", "full-1e-4"),
        "full-3e-3",
        *("full-3e-3-seed=1", "mixing-3e-3", "mixing-3e-2"),
        "mixing-3e-2-seed=1",
    ], "each kind once at its own rate, then the waves"
    said.clear()
    assert run_smoke(study, tmp_path / "out", said.append) == {}
    assert said == [], "what is done is not done again"


STAGES = [
    {"unlabelled": [{"objective": {"name": "lm"}, "corpus": C4, "languages": ["sw"]}], "adaptation": "prompt"},
    {"task": "xlsum", "adaptation": "prompt", "evaluation": {"languages": ["sw"]}},
]


def test_the_command_trains_a_recipe_of_several_stages(tmp_path: Path) -> None:
    path = tmp_path / "it.yaml"
    path.write_text(yaml.safe_dump({"backbone": "google/mt5-xxl", "stages": STAGES}), encoding="utf-8")
    done = CliRunner().invoke(app, ["train", str(path), "--smoke", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "run" / "predictions" / "step-2" / "fr.jsonl").exists()


def test_the_command_runs_a_study_and_names_what_fails(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    bad = [STAGES[0], {**STAGES[1], "adaptation": "full"}]
    study = {
        "base": {"backbone": "google/mt5-xxl", "stages": STAGES},
        "runs": {"good": {}, "again": {"seed": 1}, "bad": {"stages": bad}},
    }
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    arguments = ["study", str(path), "--smoke", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "good: done" in done.output and "again" not in done.output
    assert "prompt adds modules, and full in the next stage cannot continue" in " ".join(done.output.split())


def test_the_command_runs_a_study_that_has_no_task(tmp_path: Path) -> None:
    """There is nothing to report: it says where the runs are."""
    path = tmp_path / "study.yaml"
    study = {"base": {"backbone": "google/mt5-xxl", **STAGES[0]}, "runs": {"sw": {}}}
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    done = CliRunner().invoke(app, ["study", str(path), "--smoke", "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert str(tmp_path / "out" / "runs") in done.output.replace("\n", "")


def test_labels_are_scored_without_their_sentinels(tmp_path: Path) -> None:
    """L's templates put a sentinel before the label; neither outputs nor references keep it."""
    out = tmp_path / "run"
    train(smoke_recipe(recipe(task="paws-x-cloze", evaluation={"languages": ["en", "fr"]})), out)
    rows = [json.loads(line) for line in (out / "predictions" / "step-2" / "fr.jsonl").read_text().splitlines()]
    assert {row["references"][0] for row in rows} <= {"person", "place", "time", "reason"}
    assert all("<extra_id" in row["input"] for row in rows)
    figures = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {"accuracy"} <= {each.get("metric") for each in figures}


@pytest.mark.exhaustive
def test_a_task_of_tags_is_rehearsed_under_a_head(tmp_path: Path) -> None:
    """J's recipe names multilingual BERT, for which an embedded encoder stands in."""
    done = CliRunner().invoke(app, ["train", "j-pos", "--smoke", "--out", str(tmp_path / "run")])
    assert done.exit_code == 0, done.output
    (row,) = [json.loads(line) for line in (tmp_path / "run/predictions/step-2/th.jsonl").read_text().splitlines()]
    assert len(row["prediction"].split()) == len(row["references"][0].split()) > 1
