"""The papers' tables: each row has its runs with what the paper says, and each kind of row trains in miniature."""

from __future__ import annotations

import copy
import json
import shutil
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe, Stage, load_recipe
from xlgen.core.shipped import find_recipe, shipped
from xlgen.core.yaml_config import read_yaml
from xlgen.data.tasks import load_task
from xlgen.experiments.execute import needs, resolve_run_paths, status
from xlgen.experiments.plan import PlannedRun, Study, load_study
from xlgen.experiments.smoke import run_smoke, smoke_study
from xlgen.report.build import build_report

SIZES = ("small", "base", "large", "xl", "xxl")
TARGETS = ("fr", "ru", "vi", "th")
SEEDS = (0, 1, 2)
WIKILINGUA = {
    "en",
    "es",
    "pt",
    "fr",
    "de",
    "ru",
    "it",
    "id",
    "nl",
    "ar",
    "zh",
    "vi",
    "th",
    "ja",
    "ko",
    "hi",
    "cs",
    "tr",
}

# The rows as the papers print them -> the runs of each, without their seeds.
TABLE_10 = {
    **{f"{size.upper()} {name.upper()}": [f"{name}-{size}"] for name in ("prompt", "model") for size in SIZES},
    **{f"{size.upper()} PROMPT, L={n}": [f"prompt-{n}-{size}"] for size in ("base", "xxl") for n in (1, 10, 1000)},
    "BASE PROMPT, L=100": ["prompt-base"],
    "XXL PROMPT, L=100": ["prompt-xxl"],
    **{f"XXL {name.upper()}, TRANS-TEST": [f"{name}-trans-test-xxl"] for name in ("prompt", "model")},
    **{
        f"XXL {name.upper()}, {row.upper()}": [f"{name}-{row}-xxl-{target}" for target in TARGETS]
        for name in ("prompt", "model")
        for row in ("trans-train", "sup")
    },
    **{f"XXL {name.upper()}, SUP-ALL": [f"{name}-sup-all-xxl"] for name in ("prompt", "model")},
}
TABLE_11 = {
    **{f"{size} {name}": [f"{name}-{size}"] for name, size in product(("prompt", "model"), ("base", "xxl"))},
    **{
        f"{size} {name}, {row}": [f"{name}-{row}-{target}-{size}" for target in TARGETS]
        for name, size, row in product(("prompt", "model"), ("base", "xxl"), ("mix-unsup", "it-lm"))
    },
    **{
        f"{size} {name}, {row}": [f"{name}-{row}-{size}"]
        for name, size, row in product(("prompt", "model"), ("base", "xxl"), ("mix-unsup-all", "it-gigaword"))
    },
    **{f"{size} prompt, {row}": [f"prompt-{row}-{size}"] for size, row in product(("base", "xxl"), ("fp-en", "fp"))},
}
FIGURE_2 = {
    **{f"sum, {name}": [f"{name}-xlsum"] for name in ("full", "adapters", "mixing", "several-sources")},
    **{f"qa, {name}": [f"{name}-squad-xquad"] for name in ("full", "adapters", "mixing")},
    **{f"{name}, IT": [f"it-{name}-xlsum", f"it-{name}-squad-xquad"] for name in ("prompt", "freezing")},
}
FIGURES_3_4 = {
    f"{model}, {name}": [f"{model}-{name}-xlsum", f"{model}-{name}-squad-xquad"]
    for model, name in product(("mt5", "mbart-pt", "mbart-tr", "nllb"), ("full", "adapters"))
}
TABLES = {"v-table-10": TABLE_10, "v-table-11": TABLE_11, "c-figure-2": FIGURE_2, "c-figures-3-4": FIGURES_3_4}


@cache
def runs(name: str) -> dict[str, Recipe]:
    return {run.name: run.recipe for run in load_study(name).runs}


def of(name: str, part: str) -> dict[str, Stage]:
    """The last stages of the runs whose name begins so."""
    found = {run: recipe.stages[-1] for run, recipe in runs(name).items() if run.startswith(part)}
    assert found
    return found


@pytest.mark.parametrize("name", TABLES)
def test_each_row_has_its_runs_and_each_run_a_row(name: str) -> None:
    wanted = [f"{run}-seed={seed}" for row in TABLES[name].values() for run in row for seed in SEEDS]
    wanted += ["lead-64"] if name.startswith("v-") else []
    assert set(runs(name)) == set(wanted)
    for run, recipe in runs(name).items():
        assert run == "lead-64" or run.endswith(f"seed={recipe.seed}")


@pytest.mark.parametrize("name", ["v-table-10", "v-table-11"])
def test_vu_et_al(name: str) -> None:
    """Section 2.2: steps, checkpoints, examples, beams; prompts on LM-adapted mT5; each row at its size."""
    for run, recipe in runs(name).items():
        last = recipe.stages[-1]
        assert last.task == "wikilingua-gem"
        assert (last.training.steps, last.evaluation.every, last.evaluation.examples) == (100_000, 5_000, 250)
        assert (last.evaluation.num_beams, last.evaluation.length_penalty) == (4, 0.6)
        assert last.source_languages == ("en",) or "-sup-" in run
        if run != "lead-64":
            (size,) = (size for size in SIZES if size in run.split("-"))
            adapted = "DKYoon/mt5-{}-lm-adapt" if run.startswith("prompt") else "google/mt5-{}"
            assert recipe.backbone.name == adapted.format(size)
        for target in TARGETS:
            if target in run.split("-"):
                assert set(last.evaluation.languages) in ({target}, {"en", target})
    assert runs(name)["lead-64"].baseline.model_dump(exclude_unset=True) == {"name": "lead", "tokens": 64}
    config = load_task("wikilingua-gem", Path()).config
    assert (set(config.languages), config.max_source_tokens, config.max_target_tokens) == (WIKILINGUA, 1024, 512)


def test_table_10() -> None:
    for run, stage in of("v-table-10", "prompt").items():
        parts = run.split("-")
        assert stage.adaptation.num_virtual_tokens == (int(parts[1]) if parts[1].isdigit() else 100)
    for run, stage in {**of("v-table-10", "prompt-sup"), **of("v-table-10", "model-sup")}.items():
        assert set(stage.source_languages) == (WIKILINGUA if "sup-all" in run else set(stage.evaluation.languages))
    for stage in {**of("v-table-10", "prompt-trans-train"), **of("v-table-10", "model-trans-train")}.values():
        assert stage.translate_train is not None
        assert stage.translate_train.languages == stage.evaluation.languages
        assert not stage.translate_train.keep_source
    for name, seed in product(("prompt", "model"), SEEDS):
        baseline = runs("v-table-10")[f"{name}-trans-test-xxl-seed={seed}"].baseline
        assert baseline is not None and baseline.run == f"{{study}}/runs/{name}-xxl-seed={seed}"


def test_the_rows_that_both_tables_have_are_the_same_runs() -> None:
    both = set(runs("v-table-10")) & set(runs("v-table-11"))
    assert len(both) == 1 + 4 * len(SEEDS)
    for run in both:
        assert runs("v-table-10")[run] == runs("v-table-11")[run]


def test_table_11() -> None:
    for run, recipe in runs("v-table-11").items():
        first, last = recipe.stages[0], recipe.stages[-1]
        text = {(part.objective.name, part.rate) for part in first.unlabelled}
        languages = {code for part in first.unlabelled for code in part.languages}
        targets = set(last.evaluation.languages) - {"en"}
        if "mix-unsup" in run:
            assert text == {("span_corruption", 0.01)}
            assert languages == (WIKILINGUA if "mix-unsup-all" in run else targets)
        if "-it-" in run or "-fp" in run:
            assert first.training.steps == 200_000
            assert first.adaptation.name == last.adaptation.name
        if "it-lm" in run:
            assert (text, languages) == ({("lm", None)}, targets)
        if "it-gigaword" in run:
            assert first.task == "xlsum-headlines"
        if "-fp" in run:
            assert {name for name, _ in text} == {
                *("prefix_lm", "span_corruption", "iid_denoising", "lm"),
                *("missing_prefix", "n_token_prefix", "missing_n_token_prefix"),
            }
            assert languages == WIKILINGUA
            assert last.adaptation.num_language_tokens == last.adaptation.num_task_tokens == 50
            assert last.adaptation.keep_source_language == ("fp-en" in run)


# Chirkova et al. (2023), Table 2; for mBART (tr) on questions see the recipe.
RATES = {
    **{"mt5-full-xlsum": 1e-4, "mt5-adapters-xlsum": 1e-4, "mt5-full-squad": 1e-4, "mt5-adapters-squad": 1e-3},
    **{"mbart-pt-full-xlsum": 1e-6, "mbart-pt-adapters-xlsum": 1e-5},
    **{"mbart-pt-full-squad": 1e-5, "mbart-pt-adapters-squad": 1e-3},
    **{"mbart-tr-full-xlsum": 1e-6, "mbart-tr-adapters-xlsum": 1e-4},
    **{"mbart-tr-full-squad": 3e-6, "mbart-tr-adapters-squad": 1e-3},
    **{"nllb-full-xlsum": 1e-5, "nllb-adapters-xlsum": 1e-3, "nllb-full-squad": 3e-5, "nllb-adapters-squad": 1e-2},
}


@pytest.mark.parametrize("name", ["c-figure-2", "c-figures-3-4"])
def test_chirkova_et_al(name: str) -> None:
    for run, recipe in runs(name).items():
        last = recipe.stages[-1]
        training = last.training
        assert (training.steps, training.warmup_steps, training.batch_tokens) == (20_000, 4_000, 4_000)
        assert (training.optimizer, training.schedule, last.evaluation.every) == ("adam", "inverse_sqrt", 2_000)
        assert (last.task, last.evaluation.examples) == (
            ("squad-xquad-hub", None) if "squad" in run else ("xlsum", 1_000)
        )
    assert load_task("squad-xquad-hub", Path()).config.subset == "no-digits-in-language"


def test_rates_are_those_of_table_2() -> None:
    for part, rate in RATES.items():
        assert {stage.training.learning_rate for stage in of("c-figures-3-4", part).values()} == {rate}
    for run, stage in of("c-figure-2", "").items():
        method = run.split("-")[0]
        expected = (
            0.01
            if run.startswith("it-prompt")
            else RATES[f"mt5-{'adapters' if method == 'adapters' else 'full'}-{'squad' if 'squad' in run else 'xlsum'}"]
        )
        assert stage.training.learning_rate == expected, run


def test_figure_2() -> None:
    several = {stage.source_languages for stage in of("c-figure-2", "several-sources").values()}
    assert several == {("en", "ja", "ar")}
    for stage in of("c-figure-2", "mixing").values():
        (text,) = stage.unlabelled
        assert text.rate == 0.15
        targets = stage.evaluation.languages or load_task("squad-xquad-hub", Path()).languages
        assert set(text.languages) == set(targets) - {"en"}
    for run in of("c-figure-2", "it-"):
        first = runs("c-figure-2")[run].stages[0]
        assert (first.training.steps, first.training.batch_tokens) == (100_000, 5_000)
        assert first.unlabelled[0].objective.model_dump(exclude_unset=True) == {"name": "first_sentence"}


@pytest.fixture
def _loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded backbones come from memory the second time."""
    original, kept = loading.load, {}

    def load(name: str, **options: Any) -> Backbone:
        if name not in loading.embedded():
            return original(name, **options)
        key = name, options.get("head")
        if key not in kept:
            kept[key] = original(name, **options)
        found = kept[key]
        return type(found)(copy.deepcopy(found.model), found.tokenizer, name)

    monkeypatch.setattr(loading, "load", load)


KINDS: dict[str, Path] = {}
"""Runs that a miniature has made, by their recipes but for the names: another one takes them over."""


def kind(run: PlannedRun) -> str:
    return json.dumps({**run.recipe.model_dump(mode="json"), "name": ""}, sort_keys=True)


def take_over(study: Study, out: Path) -> None:
    """Copy what other recipes' miniatures have in common with this one, under the names that it has here."""
    started_from = {needs(run) for run in study.runs}
    for run in study.runs:
        known = KINDS.get(kind(run))
        if known is not None and needs(run) is None and run.name not in started_from:
            folder = out / "runs" / run.name
            shutil.copytree(known, folder, ignore=shutil.ignore_patterns("checkpoints", "stages"))
            saved = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
            saved["recipe"] = resolve_run_paths(run, out).recipe.model_dump(mode="json")
            (folder / "recipe.yaml").write_text(yaml.safe_dump(saved, allow_unicode=True), encoding="utf-8")


def miniature(name: str) -> Study:
    if "base" in read_yaml(find_recipe(name)):
        return load_study(name)
    return Study(name, (PlannedRun(name, load_recipe(name)),))


@pytest.mark.keep("v-unlabelled")
@pytest.mark.usefixtures("_loaded_once")
@pytest.mark.parametrize("name", shipped("papers"))
def test_a_recipe_runs_in_miniature_to_its_report(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """`--smoke`: every kind of run trains for two steps a stage in the pocket world and is evaluated.

    What recipes have in common is run once, but for runs that a baseline starts from.
    """
    out = tmp_path_factory.mktemp(name)
    study = miniature(name)
    small = smoke_study(study)
    take_over(small, out)
    assert run_smoke(study, out) == {}
    done = {path.name for path in (out / "runs").iterdir() if status(path) == "done"}
    assert done >= {run.name for run in small.runs}
    for run in small.runs:
        KINDS.setdefault(kind(run), out / "runs" / run.name)
        predicted = list((out / "runs" / run.name).glob("predictions/*/*.jsonl"))
        assert bool(predicted) == (run.recipe.stages[-1].task is not None)
    if study.search is not None:
        assert len(done) > len(small.runs), "rates were searched"
    if any(run.recipe.stages[-1].task for run in small.runs):
        page = build_report(out).page.read_text(encoding="utf-8")
        assert ("Right content in the wrong language?" in page) == (name == "c-table-1")
    for folder in (out / "runs").glob("*/checkpoints"):
        shutil.rmtree(folder)
