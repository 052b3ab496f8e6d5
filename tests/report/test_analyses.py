"""Analyses on the page: of every kind, from the files that the commands write; and nothing where there are none."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from synthetic import write_run
from xlgen.analysis.layer_states import LayerStates
from xlgen.analysis.lens import Lens, layers_figure, steps_figure
from xlgen.analysis.probes import probe, probe_figure
from xlgen.analysis.prompts import compare_prompts
from xlgen.analysis.similarity import (
    BetweenLanguages,
    BetweenModels,
    WithLength,
    compare_languages,
    compare_models,
    compare_with_length,
)
from xlgen.cli import app
from xlgen.core.registry import InputError
from xlgen.core.tables import number_column, text_table
from xlgen.report.analyses import read_analyses
from xlgen.report.analysis_figures import draw
from xlgen.report.build import build_report
from xlgen.report.formats import to_narrow_terminal
from xlgen.runs.rows import write_rows

pytestmark = pytest.mark.undrawn

CODES = ("en", "th", "ar", "ja")


def states(model: str, seed: int = 0) -> LayerStates:
    rng = np.random.default_rng(seed)
    of = {code: rng.normal(size=(3, 12, 6)).astype(np.float32) for code in CODES}
    return LayerStates(model, [str(i) for i in range(12)], of, {c: list(range(3, 15)) for c in CODES})


def lens_rows() -> list[dict[str, Any]]:
    shares = np.random.default_rng(0).dirichlet(np.ones(5), size=(3, 4))
    return [
        row
        for model in ("before", "after")
        for code in ("th", "ar")
        for text in ("generated", "reference")
        for row in Lens(model, code, "en", text, shares, (5, 5, 4, 0), "s").rows()
    ]


def write_all(folder: Path) -> None:
    """Every kind of analysis, as the commands write them."""
    models, languages = compare_models(states("a"), states("b", 1)), compare_languages(states("a"))
    rows = [*models.rows(), *languages.rows(), *compare_with_length(states("a")).rows()]
    write_rows(rows, folder / "cka.json")
    draw(models.figure("cka-models"), folder)
    draw(languages.figure("cka-languages-1"), folder)
    weight = {"half": "encoder", "layer": 0, "attention": "self", "weight": "K", "norm": 2.0, "distance": 0.1}
    weight |= {"effective_rank": 3.0, "change": 0.5, "spectrum_change": 0.1, "singular_values": [1.0, 2.0, 3.0]}
    write_rows([{"analysis": "spectra", "model": name, **weight} for name in "ab"], folder / "spectra.json")
    overlap = [{"analysis": "overlap", "language": "th", "value": 12.5, "n": 8}]
    write_rows(overlap, folder / "overlap.json")
    found = {"task": "t", "backbone": "b", "run": "r", "metric": "rougeL", "language": "th", "rho": -0.5, "p": 0.01}
    write_rows([{"analysis": "correlation", **found, "n": 9}], folder / "correlation.json")
    codes = (*CODES, "fr")  # which shares a script with English, so that there is something to contrast
    prompts = compare_prompts("a", {code: np.random.default_rng(i).normal(size=(1, 8)) for i, code in enumerate(codes)})
    write_rows(prompts.rows(), folder / "prompts.json")
    draw(prompts.figure(), folder)
    probed = probe(states("a"), "encoder").rows()
    write_rows(probed, folder / "probe.json")
    draw(probe_figure(probed), folder)
    write_rows(lens_rows(), folder / "lens.json")
    draw(replace(layers_figure(lens_rows()), name="lens-layers"), folder)
    draw(steps_figure(lens_rows(), "th", "generated"), folder)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report") / "run"
    write_run(folder)
    write_all(folder / "analysis")
    (folder / "analysis" / "mine.json").write_text('{"rows": [{"figure": 1}]}', encoding="utf-8")
    return build_report(folder).page


def test_every_analysis_is_on_the_page_and_nothing_is_fetched(built: Path) -> None:
    page = built.read_text(encoding="utf-8")
    section = page[page.index('<section id="analysis">') : page.index('<section id="runs">')]
    assert '<a href="#analysis">' in page
    names = re.findall(r"<summary><strong>(.*?)</strong>", section)
    assert names == ["cka", "correlation", "lens", "overlap", "probe", "prompts", "spectra"]
    assert section.count("<svg role=") == section.count('class="plot drawn" tabindex="0"') == 6
    # Shapes and no pictures, which the page would have to fetch.
    assert "<image" not in section and "http" not in section and "url(http" not in section
    assert section.count("<table>") == section.count('<div class="wide" tabindex="0"') == 11
    for text in ("CKA of a and b", "Effective rank", "-0.50*", "Japonic", "shuffled", "lens th generated", "Thai"):
        assert text in section
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    used = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', page)
    assert {one or other for one, other in used} <= set(ids)


def test_a_run_without_figures_has_a_page_of_its_analyses(tmp_path: Path) -> None:
    """Such as one that learned a language's prompt from unlabelled text."""
    with pytest.raises(InputError, match="has no run"):
        build_report(tmp_path)
    write_all(tmp_path / "analysis")
    page = build_report(tmp_path).page.read_text(encoding="utf-8")
    assert "CKA of a and b" in page and '<section id="runs">' not in page
    done = CliRunner().invoke(app, ["report", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0 and "only the analyses" in done.stdout


def test_files_of_others_and_no_folder_are_nothing(tmp_path: Path) -> None:
    (tmp_path / "list.json").write_text("[1]", encoding="utf-8")
    (tmp_path / "rows.json").write_text('{"rows": []}', encoding="utf-8")
    assert read_analyses(tmp_path) == read_analyses(tmp_path / "none") == []


def test_a_damaged_analysis_is_said(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    (tmp_path / "run" / "analysis").mkdir()
    (tmp_path / "run" / "analysis" / "cka.json").write_text('{"rows": [', encoding="utf-8")
    page = build_report(tmp_path / "run").page.read_text(encoding="utf-8")
    assert re.search(r"cka\.json is damaged .*analyze again", page)


@pytest.mark.keep("cka")
@pytest.mark.parametrize("name", ["cka", "spectra", "overlap", "correlation", "prompts", "probe", "lens"])
def test_a_wrong_type_in_an_analysis_leaves_out_that_analysis_alone(tmp_path: Path, name: str) -> None:
    write_all(tmp_path / "all")
    folder = tmp_path / "analysis"
    write_rows([{"analysis": "overlap", "language": "th", "value": 12.5, "n": 8}], folder / "good.json")
    found = json.loads((tmp_path / "all" / f"{name}.json").read_text(encoding="utf-8"))["rows"]
    for field in found[0].keys() - {"analysis"}:
        for wrong in (None, "x", -1, 10**30, [], True):
            rows = [{**found[0], field: wrong}, *found[1:]]
            (folder / f"{name}.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
            faults: list[str] = []
            kept = {each.name for each in read_analyses(folder, faults.append)}
            assert kept == {"good", name} - ({name} if faults else set())
        (folder / f"{name}.json").write_text(json.dumps({"rows": [{"analysis": found[0]["analysis"]}]}))
        assert "good" in {each.name for each in read_analyses(folder, faults.append)}


def test_drawings_belong_to_the_longest_name(tmp_path: Path) -> None:
    for name in ("lens", "lens-mbart"):
        write_rows(lens_rows(), tmp_path / f"{name}.json")
        (tmp_path / f"{name}-layers.svg").write_text("<svg></svg>", encoding="utf-8")
    found = {each.name: [plot.title for plot in each.plots] for each in read_analyses(tmp_path)}
    assert found == {"lens": ["lens layers"], "lens-mbart": ["lens mbart layers"]}


@pytest.mark.parametrize(
    ("kind", "make"),
    [
        (BetweenModels, lambda: compare_models(states("a"), states("b", 1))),
        (BetweenLanguages, lambda: compare_languages(states("a"))),
        (WithLength, lambda: compare_with_length(states("a"))),
    ],
)
def test_rows_give_back_what_they_came_from(kind: Any, make: Callable[[], Any]) -> None:
    rows = make().rows()
    assert kind.of(rows).rows() == rows


def test_a_table_has_one_form_for_page_and_terminal() -> None:
    found = text_table("x", "A\ntitle", ["name", number_column("value")], [["ไทย", "1.5"], ["عربي", ""]])
    assert found.title == "A title" and [column.number for column in found.columns] == [False, True]
    assert [found.columns[1].text(row["1"]) for row in found.rows] == ["1.5", "–"]
    assert found.rows[1]["0"].value == "عربي"
    shown = to_narrow_terminal(found)
    assert [list(column.cells) for column in shown.columns] == [["ไทย", "عربي"], ["1.5", ""]]
    assert [column.justify for column in shown.columns] == ["left", "right"]
