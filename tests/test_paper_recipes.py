"""The papers' further experiments hold what the papers say, and docs/results/experiments.md lists them all."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from typer.testing import CliRunner

from xlgen.cli import app
from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.core.shipped import shipped
from xlgen.data.tasks import load_task
from xlgen.experiments.plan import Study, check_identifiers, load_study
from xlgen.experiments.published import find_cells, load_papers
from xlgen.experiments.published.names import family, published_task
from xlgen.experiments.search import followed_by
from xlgen.experiments.smoke import smoke_recipe, stand_in_identifiers
from xlgen.metrics.score import choose
from xlgen.report.protocol import same_backbone
from xlgen.training.run import stage_key

DOCS = Path(__file__).resolve().parents[1] / "docs" / "results" / "experiments.md"


@cache
def study(name: str) -> Study:
    return load_study(name)


def runs(name: str) -> dict[str, Recipe]:
    return {run.name: run.recipe for run in study(name).runs}


def test_the_page_lists_every_recipe_and_how_many_runs_it_has() -> None:
    rows = re.findall(
        r"^\| (?:Chirkova|Vu|Li|Ji)\+\d\d \| [^|]+ \| `([\w-]+)` \| [^|]+ \| (\d+)",
        DOCS.read_text(encoding="utf-8"),
        re.M,
    )
    expected = {name: len(study(name).runs) for name in shipped("papers") if name != "squad-xquad"}
    assert {name: int(count) for name, count in rows} == {**expected, "squad-xquad": 1}


def test_rates_of_table_1() -> None:
    """As printed: the translated run's rate, and the rate of the run beside it."""
    tasks = {"xlsum": "xlsum", "squad-xquad": "squad-xquad-hub"}
    printed = find_cells(paper="C", where="Table 1")
    assert len(printed) == 12
    for cell in printed:
        at_rate = [
            name
            for name, recipe in runs("c-table-1").items()
            if recipe.backbone.name == cell.backbone
            and recipe.stages[-1].task == tasks[str(cell.task)]
            and recipe.stages[-1].training.learning_rate == cell.learning_rate
            and recipe.baseline is None
        ]
        assert len(at_rate) == 1, cell
        translated = [recipe.baseline for recipe in runs("c-table-1").values() if recipe.report_as == cell.method]
        if cell.method == "full-translated-output":
            assert f"{{study}}/runs/{at_rate[0]}" in [baseline and baseline.run for baseline in translated]


def test_what_enhances_full_finetuning_follows_its_rate() -> None:
    followed = {name: followed_by(name, study("c-table-2")) for name in runs("c-table-2")}
    assert {name: of for name, of in followed.items() if of} == {
        f"mt5-{method}-{task}": f"mt5-full-{task}"
        for method in ("mixing", "several-sources", "it-freezing")
        for task in ("xlsum", "squad-xquad")
        if (method, task) != ("several-sources", "squad-xquad")
    }


def test_intermediate_tuning_is_shared_with_figure_2() -> None:
    keys = {
        stage_key(recipe, 0)
        for name in ("c-figure-2", "c-intermediate")
        for run, recipe in runs(name).items()
        if run.startswith("it-") and recipe.seed == 0
    }
    assert len(keys) == 1
    assert not set(runs("c-figure-2")) & set(runs("c-intermediate"))


def test_table_8_is_table_10_in_all_languages() -> None:
    both = set(runs("v-table-8")) & set(runs("v-table-10"))
    assert both == set(runs("v-table-8"))
    for name in both:
        ours, theirs = (recipe.model_dump() for recipe in (runs("v-table-8")[name], runs("v-table-10")[name]))
        assert ours["stages"][0]["evaluation"].pop("languages") == ()
        theirs["stages"][0]["evaluation"].pop("languages")
        assert ours == theirs


def test_preliminary_experiments_of_v() -> None:
    found = runs("v-preliminary")
    shares = sorted(
        part.rate or 0 for name, recipe in found.items() if "mix" in name for part in recipe.stages[0].unlabelled
    )
    assert shares == [share for share in (0.01, 0.05, 0.1, 0.3, 0.5) for _ in range(2)]
    assert [recipe.baseline.tokens for name, recipe in found.items() if "lead" in name] == [32, 64, 128, 256]


def test_a_prompt_for_each_language_of_mc4() -> None:
    prompts = {name: recipe for name, recipe in runs("v-unlabelled").items() if name.startswith("prompt-")}
    assert len(prompts) == 107
    for name, recipe in prompts.items():
        (stage,) = recipe.stages
        assert stage.unlabelled[0].languages == (name.removeprefix("prompt-"),)
        assert stage.adaptation.num_virtual_tokens == 1
        assert (stage.training.steps, stage.training.max_examples) == (10_000, 32)


@pytest.mark.parametrize("name", ["l-generation", "l-understanding"])
def test_li_and_murray(name: str) -> None:
    """Section 3.1: 7e-5, batches of 32, ten epochs of the first 10,000 examples, 3 seeds."""
    for run, recipe in runs(name).items():
        training = recipe.stages[0].training
        assert (training.learning_rate, training.max_examples) == (7e-5, 32)
        examples = 3_696 if "tydiqa" in run else training.train_examples or 0
        assert examples in (3_696, 10_000)
        assert abs(training.steps - 10 * examples / 32) < 1
        assert run.endswith(f"seed={recipe.seed}") and recipe.seed in (0, 1, 2)


def test_sources_of_li_and_murray() -> None:
    sources = {tuple(sorted(recipe.stages[0].source_languages)) for recipe in runs("l-generation").values()}
    printed = {
        tuple(sorted(cell.source_languages or ())) for cell in find_cells(paper="L", task="mtg-titles", where="Table 5")
    }
    assert sources == {each for each in printed if each}


def test_every_figure_of_ji_et_al_has_a_run() -> None:
    """Table 4, and with it Table 1: its backbone, task, language and metric, at section 2.3's rate and length."""
    (paper,) = (paper for paper in load_papers() if paper.key == "J")
    found = {(recipe.stages[0].task, recipe.backbone.name): recipe for recipe in runs("j-xglue").values()}
    assert len(found) == 8 * 7
    printed = [cell for cell in find_cells(paper="J", where="Table 4") if cell.language != "mean"]
    assert len(printed) == 7 * 59
    missing = set(printed)
    for (name, backbone), recipe in found.items():
        task, training = load_task(str(name), Path()), recipe.stages[0].training
        figures = {figure.name for _, chosen in choose(task.config.metrics) for figure in chosen}
        of = {
            cell
            for cell in printed
            if same_backbone(backbone, cell, paper)
            and (cell.task, cell.metric) == (published_task(str(name)), task.config.main_metric)
            and cell.language in task.languages
        }
        assert {cell.language for cell in of} == set(task.languages), name
        assert task.config.main_metric in figures
        assert family(str(name)) == paper.about.tasks[str(published_task(str(name)))].family
        fact = paper.fact("learning_rate", published_task(str(name)))
        assert fact is not None
        assert (training.learning_rate, training.optimizer, training.schedule) == (fact.value, "adamw", "linear")
        assert (task.config.max_source_tokens, training.max_examples) == (256, 32)
        assert training.warmup_steps * 10 == training.steps
        missing -= of
    assert not missing


def test_epochs_of_ji_et_al() -> None:
    """Table 3 rounds the size of each task's training data; NER's and XNLI's are XGLUE's own, which are smaller."""
    printed = {
        cell.task: cell.value for cell in find_cells(paper="J", where="Table 3", metric="examples", split="train")
    }
    for recipe in runs("j-xglue").values():
        examples = recipe.stages[0].training.steps / 10 * 32
        size = printed[published_task(str(recipe.stages[0].task))]
        assert 0.9 * size < examples < size * 1.001 + 32, recipe.stages[0].task


@pytest.mark.parametrize("name", [name for name in shipped("papers") if name[:2] in ("c-", "v-")])
def test_language_is_identified_as_in_the_paper(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chirkova et al. (2023), Appendix A: lid.176.bin; Vu et al. (2022), section 2.3: cld3."""
    stages = [stage for recipe in runs(name).values() for stage in recipe.stages if stage.task]
    expected = "lid.176.bin" if name.startswith("c-") else "cld3"
    assert {stage.evaluation.lid for stage in stages} <= {expected}
    assert bool(stages) == (name != "v-unlabelled")
    assert {stage.evaluation.lid for recipe in runs(name).values() for stage in smoke_recipe(recipe).stages} == {None}
    monkeypatch.chdir(tmp_path)
    if expected == "lid.176.bin":
        with pytest.raises(InputError, match=r"no language identification model at 'lid\.176\.bin'.*data_dir"):
            check_identifiers(study(name))
        assert stand_in_identifiers(runs(name).values()) == [
            "language identification: lid.176.ftz replaces lid.176.bin"
        ]


def test_a_study_without_its_language_identifier_ends_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no language identification model at 'lid\.176\.bin'"):
        CliRunner().invoke(app, ["study", "c-sizes", "--out", str(tmp_path / "out")], catch_exceptions=False)
    assert not (tmp_path / "out" / "runs").exists()


PROMPTED = ("v-table-8", "v-table-10", "v-table-11", "v-tables-2-7", "v-preliminary", "v-unlabelled")


@pytest.mark.parametrize("name", PROMPTED)
def test_prompts_of_vu_et_al_start_from_the_first_5000_ids(name: str) -> None:
    """As ``population_size`` in the paper's repository (prompt_tuning/configs/prompts/from_sampled_vocab.gin)."""
    stages = [stage for recipe in runs(name).values() for stage in recipe.stages if recipe.baseline is None]
    prompts = [stage.adaptation for stage in stages if stage.adaptation.name == "prompt"]
    assert prompts and all(options.init == "first-5000" for options in prompts)


def test_each_language_prompt_has_a_seed_of_its_own() -> None:
    """With one seed all prompts of one vector would start from the same one, and be alike for that."""
    seeds = [recipe.seed for name, recipe in runs("v-unlabelled").items() if name.startswith("prompt-")]
    assert len(seeds) == len(set(seeds)) == 107


def test_prompts_are_searched_without_intermediate_tuning() -> None:
    """Chirkova et al., Appendix A: "For each task and model (without intermediate tuning), we search"."""
    prompts = {
        name: recipe for name, recipe in runs("c-table-2").items() if recipe.stages[-1].adaptation.name == "prompt"
    }
    assert set(prompts) == {"mt5-prompt-xlsum", "mt5-prompt-squad-xquad"}
    for name, recipe in prompts.items():
        assert len(recipe.stages) == 1
        assert recipe.stages[0].adaptation.num_virtual_tokens == 100
        assert followed_by(name, study("c-table-2")) is None
