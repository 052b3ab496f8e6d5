import json
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest

from synthetic import LANGUAGES, write_run
from xlgen.report import plots
from xlgen.results.rows import load


def test_all_plots_of_a_study(study: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # missing glyphs, clashing layouts
        found = plots.all_plots(load(study))
    assert [plot.title for plot in found] == [
        "While training",
        "ROUGE-L while training, language by language",
        "Right language while training, language by language",
        "By learning rate",
        "Lengths",
    ]
    for plot in found:
        ElementTree.fromstring(plot.svg.replace("xlink:", ""))
        assert "currentColor" in plot.svg
        assert "http" not in plot.svg


def test_axes_say_what_they_show_and_in_which_unit(study: Path) -> None:
    found = {plot.title: plot.svg for plot in plots.all_plots(load(study))}
    for label in ("training steps", "ROUGE-L (%)", "Right language (%)", "adapters lr 1e-3", "lead"):
        assert label in found["While training"]
    for label in ("learning rate (log scale)", "1e-4", "adapters, other languages", "full, source"):
        assert label in found["By learning rate"]
    for label in ("Japanese (ja)", "Arabic (ar)", "references", "words"):
        assert label in found["Lengths"]
    for name in ("Thai", "Hindi", "Russian"):
        assert name in found["ROUGE-L while training, language by language"]


def test_ids_differ_between_plots(study: Path) -> None:
    ids = [set(_ids(plot.svg)) for plot in plots.all_plots(load(study))]
    assert sum(map(len, ids)) == len(set().union(*ids))


def test_the_same_figures_give_the_same_plot(study: Path) -> None:
    assert plots.all_plots(load(study)) == plots.all_plots(load(study))


def test_one_evaluation_gives_no_curves_by_language(tmp_path: Path) -> None:
    write_run(tmp_path / "run", steps=(600,))
    results = load(tmp_path)
    assert plots.languages_curves(results) is None
    assert plots.learning_rates(results) is None
    assert plots.lengths(results) is not None


@pytest.mark.parametrize("name", ["$x_1$ <b>", "实验 1"])
def test_any_name_of_a_folder_can_be_drawn(tmp_path: Path, name: str) -> None:
    write_run(tmp_path / name)
    write_run(tmp_path / "other")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = plots.all_plots(load(tmp_path))
    for plot in found:
        ElementTree.fromstring(plot.svg.replace("xlink:", ""))


def test_only_the_source_language_can_be_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "run", source_languages=list(LANGUAGES))
    assert plots.curves(load(tmp_path)) is None


def _ids(svg: str) -> list[str]:
    elements = ElementTree.fromstring(svg.replace("xlink:", "")).iter()
    return [identifier for element in elements if (identifier := element.get("id"))]


def test_similarities_have_curves_of_their_own_unit(study: Path) -> None:
    assert plots.xlrs_curves(load(study)) is None
    for run in (study / "runs").iterdir():
        found = [
            {"event": "figure", "step": step, "language": code, "metric": "xlrs", "value": 0.3 + step / 2_000}
            for step in (200, 400, 600)
            for code in LANGUAGES
            if code != "en"
        ]
        log = run / "metrics.jsonl"
        log.write_text(log.read_text() + "\n" + "".join(json.dumps(event) + "\n" for event in found))
    plot = plots.xlrs_curves(load(study))
    assert plot is not None and "XLRS" in plot.svg and "(%)" not in plot.svg
    assert plot in plots.all_plots(load(study))
