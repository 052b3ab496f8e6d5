"""Scores next to published ones, on made-up runs with known scores."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from synthetic import write_run
from xlgen.experiments.published import find_cells
from xlgen.experiments.published.names import family, method, published_task
from xlgen.report.build import build_report
from xlgen.report.page import render
from xlgen.report.published_comparison import comparison_table, pairs, parts, protocol_table
from xlgen.report.report_tables import ReportTables
from xlgen.runs.rows import load_results


def write(folder: Path, values: dict[str, dict[str, float]], **changes: Any) -> None:
    """A run whose last evaluation has exactly ``values``: metric -> language -> value."""
    stage = changes.pop("stage", {})
    write_run(folder, **changes)
    events = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()[:-1]]
    kept = [event for event in events if event["event"] != "figure"]
    step = max((event["step"] for event in kept), default=0)
    for metric, row in values.items():
        for code, value in row.items():
            figure = {"metric": metric, "value": value, "low": value - 1, "high": value + 1, "n": 9, "signature": "x"}
            kept.append({"event": "figure", "step": step, "language": code, **figure})
    (folder / "metrics.jsonl").write_text("".join(json.dumps(event) + "\n" for event in kept))
    if stage:
        path = folder / "recipe.yaml"
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        for key, value in stage.items():
            recipe["recipe"]["stages"][-1].setdefault(key, {}).update(value)
        path.write_text(yaml.safe_dump(recipe))


def lines(folder: Path) -> dict[tuple[str, str, str], dict[str, Any]]:
    """The rows of the table by run, published row and language."""
    table = comparison_table(load_results(folder))
    keys = ("run", "paper", "name")
    return {tuple(row[k].value for k in keys): {k: c.value for k, c in row.items()} for row in table.rows}  # type: ignore[misc]


def points(folder: Path) -> dict[str, tuple[str, str]]:
    table = protocol_table(load_results(folder))
    return {row["point"].value: (row["ours"].value, row["theirs"].value) for row in table.rows}


def test_an_experiment_is_in_the_row_of_its_published_number(tmp_path: Path) -> None:
    """A run of V's Table 8 at base size meets that row, and Table 10 does not repeat it."""
    ours = {"en": 40.0, "fr": 25.0, "ru": 16.0, "th": 20.0}
    write(tmp_path / "run", {"sp_rougeLsum": ours}, task="wikilingua", backbone="google/mt5-base", report_as="model")
    found = lines(tmp_path)
    theirs = {"en": 39.6, "fr": 22.4, "ru": 15.3, "th": 17.9}  # V, Table 8, BASE MODEL
    names = {"en": "English", "fr": "French", "ru": "Russian", "th": "Thai"}
    assert {place for _, place, _ in found} == {"Vu+22, Table 8, BASE MODEL"}
    assert len(found) == 1 + 4
    for code, name in names.items():
        row = found["model", "Vu+22, Table 8, BASE MODEL", name]
        assert (row["ours"], row["theirs"], row["language"]) == (ours[code], theirs[code], code)
        assert row["difference"] == pytest.approx(ours[code] - theirs[code])
        assert (row["seeds"], row["their_seeds"]) == (1, 3)
    mean = found["model", "Vu+22, Table 8, BASE MODEL", "mean of 3 others"]
    assert mean["ours"] == pytest.approx((25 + 16 + 20) / 3)
    assert mean["theirs"] == pytest.approx((22.4 + 15.3 + 17.9) / 3)
    assert "backbone" not in mean["differs"]
    assert "data" not in mean["differs"].split(", ")


def test_seeds_are_averaged_and_a_single_one_keeps_its_interval(tmp_path: Path) -> None:
    for seed, value in enumerate((10.0, 13.0)):
        name = tmp_path / "runs" / f"full-{seed}"
        write(name, {"squad_f1": {"en": 50.0, "es": value}}, task="squad-xquad", backbone="google/mt5-base", seed=seed)
    write(
        tmp_path / "runs" / "lora",
        {"squad_f1": {"es": 1.0}},
        task="squad-xquad",
        backbone="google/mt5-base",
        method="lora",
    )
    found = lines(tmp_path)
    row = found["full", "Vu+22, Table 3, BASE MODEL", "Spanish"]
    assert (row["ours"], row["seeds"], row["theirs"], row["spread"]) == (11.5, 2, 84.9, 0.7)
    assert {run for run, _, _ in found} == {"full"}  # no paper has LoRA
    (tmp_path / "runs" / "full-1" / "metrics.jsonl").unlink()
    shown = [row["ours"] for row in comparison_table(load_results(tmp_path)).rows if row["language"].value == "es"]
    assert (shown[0].value, shown[0].low, shown[0].high) == (10.0, 9.0, 11.0)


def test_a_published_mean_is_next_to_our_mean(tmp_path: Path) -> None:
    """C prints only means over languages; ours is over our own."""
    write(tmp_path / "run", {"rouge2": {"en": 9.0, "fr": 4.0, "ru": 6.0}}, task="xlsum", backbone="google/mt5-base")
    found = lines(tmp_path)
    assert list(found) == [
        ("full", "Chirkova+23, Table 1, Sum mT5 Best-non-En LR 1e-4", "mean of the others (not the same languages)")
    ]
    row = next(iter(found.values()))
    assert (row["ours"], row["theirs"], row["difference"]) == (5.0, 7.7, pytest.approx(-2.7))


def test_other_data_of_the_same_kind_serves_where_no_paper_has_ours(tmp_path: Path) -> None:
    """A pocket backbone is compared with the smallest of its family, and marked as another one."""
    write(
        tmp_path / "run",
        {"squad_f1": {"en": 50.0, "ru": 30.0}},
        task="pocket-qa",
        backbone="pocket-mt5",
        method="prompt",
    )
    assert {place for _, place, _ in lines(tmp_path)} == {"Vu+22, Table 3, BASE PROMPT", "Vu+22, Table 5, BASE PROMPT"}
    found = points(tmp_path)
    assert found["backbone"] == ("pocket-mt5, 4.62 M", "google/mt5-base, 580 M")
    assert found["data"] == ("pocket-qa", "TyDiQA-GoldP")
    assert found["split"] == ("test", "validation")


@pytest.mark.parametrize(
    ("task", "metric", "row"),
    [
        ("xglue-wpr", "xglue_ndcg", "WPR NLLB 600M"),
        ("xglue-ner", "span_f1", "NER NLLB 600M"),
        ("xglue-pos", "word_accuracy", "POS NLLB 600M"),
        ("xglue-nc", "accuracy", "NC NLLB 600M"),
        ("xglue-xnli", "accuracy", "XNLI NLLB 600M"),
    ],
)
def test_tasks_with_a_head_are_in_their_own_rows(task: str, metric: str, row: str, tmp_path: Path) -> None:
    ours = {"en": 70.0, "de": 60.0, "fr": 50.0, "es": 40.0}
    write(tmp_path / "run", {metric: ours}, task=task, backbone="facebook/nllb-200-distilled-600M", method="full")
    found = {(place, row["language"]): row for (_, place, _), row in lines(tmp_path).items() if "Ji+24, " in place}
    cells = find_cells(paper="J", where="Table 4", row=row, metric=metric, language=set(ours))
    assert cells
    for cell in cells:
        line = found[f"Ji+24, Table 4, {row}", cell.language]
        assert (line["ours"], line["theirs"]) == (ours[str(cell.language)], cell.value)
        assert {"backbone", "data"}.isdisjoint(line["differs"].split(", "))


def test_the_family_of_the_backbone_decides_among_sizes(tmp_path: Path) -> None:
    write(tmp_path / "run", {"rouge2": {"en": 9.0, "fr": 4.0}}, task="pocket-summaries", backbone="pocket-mbart")
    assert {place for _, place, _ in lines(tmp_path)} == {"Chirkova+23, Table 1, Sum mBART Best-non-En LR 1e-6"}


def test_source_languages_must_be_theirs(tmp_path: Path) -> None:
    values = {"rougeL": {"en": 30.0, "fr": 28.0, "zh": 22.0}}
    for name, sources in (("one", ["en"]), ("two", ["en", "zh"]), ("three", ["en", "ja", "ar"])):
        write(tmp_path / "runs" / name, values, task="pocket-titles", source_languages=sources, report_as=name.upper())
    assert lines(tmp_path) == {}  # reported under names that no paper has
    for name, sources in (("a", ["en"]), ("b", ["en", "zh"]), ("c", ["en", "ja", "ar"])):
        write(tmp_path / "full" / "runs" / name, values, task="pocket-titles", source_languages=sources)
    rows = {theirs.first.row: ours.runs[0].name for ours, theirs in pairs(load_results(tmp_path / "full"))}
    assert rows == {"EN": "a", "EN+ZH": "b"}


def test_only_seeds_are_averaged(tmp_path: Path) -> None:
    for name, steps in (("short", 200), ("long", 400)):
        stage = {"training": {"warmup_steps": steps}}
        values = {"rouge2": {"fr": float(steps)}}
        write(tmp_path / "runs" / name, values, task="xlsum", backbone="google/mt5-base", stage=stage)
    rows = comparison_table(load_results(tmp_path)).rows
    assert [(row["ours"].value, row["seeds"].value) for row in rows] == [(400, 1), (200, 1)]
    assert len({row["run"].value for row in rows}) == 2


def test_rows_of_selection_say_how_they_chose(tmp_path: Path) -> None:
    values = {"sp_rougeL": {"es": 20.0, "zh": 20.0}}
    write(tmp_path / "run", values, task="wikilingua", backbone="google/mt5-base")
    table = protocol_table(load_results(tmp_path))
    chosen = {row["paper"].value: row["theirs"].value for row in table.rows if row["point"].value == "checkpoint"}
    assert chosen["Li+23, Table 7, cos-sim"] == "chosen by cos-sim"
    assert chosen["Li+23, Table 3, EN"] == "the best on the source language's development set"


def test_the_same_is_no_difference(tmp_path: Path) -> None:
    stage = {
        "training": {
            **{"steps": 20_000, "learning_rate": 1e-4, "optimizer": "adam", "schedule": "inverse_sqrt"},
            **{"warmup_steps": 4_000, "batch_tokens": 4_000, "train_examples": None},
        },
        "evaluation": {"split": "validation", "examples": 1_000, "num_beams": 1},
    }
    write(tmp_path / "run", {"rouge2": {"fr": 4.0}}, task="xlsum", backbone="google/mt5-base", stage=stage)
    found = points(tmp_path)
    assert found == {
        "metric": ("x", "ROUGE-2; the word splitting is not stated"),
        "num beams": ("1", "not stated"),
        "seeds": ("1", "not stated"),
    }
    row = next(iter(lines(tmp_path).values()))
    assert row["differs"] == "metric; not stated: num beams, seeds"


def test_what_differs_is_told_with_its_place(tmp_path: Path) -> None:
    training = {"batch_tokens": 2_000, "max_examples": 8, "gradient_accumulation_steps": 2}
    stage = {"training": training, "evaluation": {"num_beams": 2}}
    write(
        tmp_path / "run",
        {"sp_rougeLsum": {"fr": 4.0}},
        task="wikilingua",
        method="prompt",
        learning_rate=0.3,
        stage=stage,
    )
    found = points(tmp_path)
    assert found["batch"] == ("2,000 tokens, at most 8 examples, 2 of them a step", "not stated")
    assert found["num beams"] == ("2", "4")
    assert found["steps"] == ("600", "100,000")
    assert found["learning rate"] == ("0.3", "not stated")
    assert found["optimizer"] == ("not known", "not stated")
    assert found["seeds"] == ("1", "3")
    assert found["checkpoint"][1].startswith("the best of 20 for each target language")
    where = {row["point"].value: row["where"].value for row in protocol_table(load_results(tmp_path)).rows}
    assert (where["steps"], where["num beams"]) == ("section 2.2.2", "section 2.2.2, footnote 12")


def test_a_baseline_is_not_asked_how_it_trained(tmp_path: Path) -> None:
    write(tmp_path / "lead", {"sp_rougeLsum": {"fr": 4.0}}, task="wikilingua", report_as="lead-64", steps=(0,))
    assert set(points(tmp_path)) == {"split", "metric", "evaluation examples"}
    assert {place for _, place, _ in lines(tmp_path)} == {"Vu+22, Table 10, – LEAD-64"}


def test_the_page_and_the_files_have_it_only_where_there_is_something(tmp_path: Path) -> None:
    write(tmp_path / "a", {"rouge2": {"en": 9.0, "fr": 4.0, "es": 5.0}}, task="xlsum", backbone="google/mt5-base")
    page = build_report(tmp_path / "a").page.read_text(encoding="utf-8")
    assert 'id="published-1"' in page
    assert 'href="#published-1"' in page
    assert "Chirkova+23, Table 1, Sum mT5 Best-non-En LR 1e-4" in page
    files = {path.name for path in (tmp_path / "a" / "tables").iterdir()}
    assert {f"{name}.{end}" for name in ("beside", "protocol") for end in ("csv", "md", "tex")} <= files
    write(tmp_path / "b", {"rouge2": {"en": 9.0, "fr": 4.0}}, task="xlsum", method="lora")
    assert "published-1" not in build_report(tmp_path / "b").page.read_text(encoding="utf-8")
    assert not (tmp_path / "b" / "tables" / "beside.csv").exists()


def test_averages_and_single_languages_are_apart_on_the_page(tmp_path: Path) -> None:
    write(tmp_path / "run", {"sp_rougeLsum": {"fr": 4.0, "ru": 5.0}}, task="wikilingua")
    averages, single = parts(comparison_table(load_results(tmp_path)))
    assert [row["name"].value for row in averages.rows] == ["mean of 2 others"]
    assert [row["language"].value for row in single.rows] == ["fr", "ru"]
    page = render(ReportTables(load_results(tmp_path)), "x")
    assert page.index("mean of 2 others") < page.index("What differs from the published protocols")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("full", "full"),
        ("model", "full"),
        ("full at 3e-3", "full"),
        ("prompt-100 at 1", "prompt"),
        ("prompt-1000", "prompt-1000"),
        ("lead-64", "lead"),
        ("prompt-trans-test", "translate-test"),
        ("model-sup-all", "sup-all"),
        ("mix-unsup-fr", "mixing"),
        ("it-lm-th", "it-lm"),
        ("fp", "factorized"),
        ("fp-en", "fp-en"),
        ("lora", "lora"),
    ],
)
def test_methods_by_their_published_name(name: str, expected: str) -> None:
    assert method(name) == expected


def test_every_method_that_a_name_leads_to_is_published() -> None:
    published = {cell.method for cell in find_cells()}
    names = ("model", "prompt-100", "lead-64", "fp", "fp-en", "model-trans-train", "prompt-sup", "mix-unsup-all")
    assert {method(name) for name in names} <= published


def test_tasks_by_their_published_name() -> None:
    assert (family("pocket-qa"), family("somebody-elses")) == ("question answering", None)
    assert published_task("squad-xquad-hub") == "squad-xquad"


def test_the_share_of_unlabelled_text_has_its_unit(tmp_path: Path) -> None:
    """Chirkova et al. and Vu et al. count examples."""
    for name, mix_by in (("a", "examples"), ("b", "batches")):
        values = {"sp_rougeLsum": {"fr": 4.0}}
        write(tmp_path / name, values, task="wikilingua", report_as="mix-unsup-all", backbone="google/mt5-base")
        path = tmp_path / name / "recipe.yaml"
        recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
        recipe["recipe"]["stages"][-1] |= {"unlabelled": [{"rate": 0.01, "languages": ["fr", "ru"]}]}
        recipe["recipe"]["stages"][-1]["training"]["mix_by"] = mix_by
        path.write_text(yaml.safe_dump(recipe))
    assert "unlabelled rate" not in points(tmp_path / "a")
    assert points(tmp_path / "b")["unlabelled rate"][0] == "0.01 of the batches"


def unlabelled(folder: Path, stage: int, *languages: str) -> None:
    path = folder / "recipe.yaml"
    recipe = yaml.safe_load(path.read_text(encoding="utf-8"))
    recipe["recipe"]["stages"][stage]["unlabelled"] = [{"rate": 0.01, "languages": list(languages)}]
    path.write_text(yaml.safe_dump(recipe))


def test_text_of_one_language_and_of_all_have_their_own_rows(tmp_path: Path) -> None:
    """Vu+22, Table 11: MIX-UNSUP is a model for each target language, MIX-UNSUP-ALL one model."""
    values = {"sp_rougeLsum": {"en": 39.0, "fr": 30.0, "ru": 20.0}}
    shared = {"task": "wikilingua-gem", "backbone": "google/mt5-base"}
    for name, languages in (("mix-unsup-fr", ["fr"]), ("mix-unsup-all", ["en", "fr", "ru", "th"])):
        write(tmp_path / name, values, report_as=name, **shared)
        unlabelled(tmp_path / name, -1, *languages)
    assert {(place, name) for _, place, name in lines(tmp_path / "mix-unsup-fr")} == {
        ("Vu+22, Table 11, BASE MODEL, MIX-UNSUP", "French")
    }
    found = {(place, name) for _, place, name in lines(tmp_path / "mix-unsup-all")}
    assert {place for place, _ in found} == {"Vu+22, Table 11, BASE MODEL, MIX-UNSUP-ALL"}
    assert {name for _, name in found} == {"English", "French", "Russian", "mean of 2 others"}


def test_a_prompt_tuned_on_text_of_one_language_is_compared_in_that_language(tmp_path: Path) -> None:
    values = {"sp_rougeLsum": {"en": 39.0, "th": 20.0}}
    shared = {"method": "prompt", "task": "wikilingua-gem", "backbone": "DKYoon/mt5-base-lm-adapt"}
    write(tmp_path / "run", values, report_as="it-lm-th", **shared)
    unlabelled(tmp_path / "run", 0, "th")
    assert {(place, name) for _, place, name in lines(tmp_path / "run")} == {
        ("Vu+22, Table 11, BASE PROMPT, IT-LM", "Thai")
    }
