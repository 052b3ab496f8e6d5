import json
import warnings
from pathlib import Path
from xml.etree import ElementTree

import pytest

from synthetic import LANGUAGES, write_run
from xlgen.report import plots
from xlgen.report.ablation_plots import _apart
from xlgen.runs.rows import load_results
from xlgen.runs.runs import rate_text


@pytest.mark.exhaustive
def test_all_plots_of_a_study(study: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # missing glyphs, clashing layouts
        found = plots.all_plots(load_results(study))
    assert [plot.title for plot in found] == [
        "Methods compared",
        "Methods compared, language by language",
        "By learning rate",
        "While training",
        "ROUGE-L while training, language by language",
        "Right language while training, language by language",
        "Lengths of outputs while training, language by language",
        "Faults by language",
        "Lengths",
    ]
    for plot in found:
        ElementTree.fromstring(plot.svg.replace("xlink:", ""))
        assert "currentColor" in plot.svg
        assert "http" not in plot.svg


@pytest.mark.exhaustive
def test_axes_say_what_they_show_and_in_which_unit(study: Path) -> None:
    found = {plot.title: plot.svg for plot in plots.all_plots(load_results(study))}
    for label in ("training steps", "ROUGE-L (%)", "Right language (%)", "adapters lr 1e-3", "lead"):
        assert label in found["While training"]
    for label in ("learning rate (log scale)", "1e-4", "adapters, other languages", "full, source"):
        assert label in found["By learning rate"]
    for label in ("Japanese (ja)", "Arabic (ar)", "references", "words"):
        assert label in found["Lengths"]
    for name in ("Thai", "Hindi", "Russian"):
        assert name in found["ROUGE-L while training, language by language"]


@pytest.mark.exhaustive
def test_ascii_and_lengths_while_training(tmp_path: Path) -> None:
    """As in Figure 3 of Vu et al. (2022), and Figures 3 and 4 of Chirkova et al. (2023)."""
    write_run(tmp_path / "run")
    log = tmp_path / "run" / "metrics.jsonl"
    rows = [
        {"event": "figure", "step": step, "language": code, "metric": "ascii_rate", "value": float(step / 10), "n": 4}
        for step in (200, 400, 600)
        for code in ("en", "ru", "th")
    ]
    whole = log.read_text(encoding="utf-8").rsplit("\n", 1)[0] + "\n"
    log.write_text(whole + "".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    found = {plot.title: plot.svg for plot in plots.all_plots(load_results(tmp_path))}
    ascii_plot = found["ASCII characters while training, language by language"]
    lengths = found["Lengths of outputs while training, language by language"]
    for label in ("Russian", "Thai", "training steps", "ASCII characters (%)"):
        assert label in ascii_plot
    for label in ("Russian", "Japanese", "mean length", "references"):
        assert label in lengths
    assert "references" not in ascii_plot


@pytest.mark.exhaustive
def test_ids_differ_between_plots(study: Path) -> None:
    ids = [set(_ids(plot.svg)) for plot in plots.all_plots(load_results(study))]
    assert sum(map(len, ids)) == len(set().union(*ids))


@pytest.mark.exhaustive
def test_the_same_figures_give_the_same_plot(study: Path) -> None:
    assert plots.all_plots(load_results(study)) == plots.all_plots(load_results(study))


def test_one_evaluation_gives_no_curves_by_language(tmp_path: Path) -> None:
    write_run(tmp_path / "run", steps=(600,))
    results = load_results(tmp_path)
    assert [plot.title for plot in plots.all_plots(results)] == ["While training", "Faults by language", "Lengths"]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", ["$x_1$ <b>", "实验 1"])
def test_any_name_of_a_folder_can_be_drawn(tmp_path: Path, name: str) -> None:
    write_run(tmp_path / name)
    write_run(tmp_path / "other")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = plots.all_plots(load_results(tmp_path))
    for plot in found:
        ElementTree.fromstring(plot.svg.replace("xlink:", ""))


@pytest.mark.exhaustive
def test_only_the_source_language_can_be_drawn(tmp_path: Path) -> None:
    write_run(tmp_path / "run", source_languages=list(LANGUAGES))
    assert "While training" not in [plot.title for plot in plots.all_plots(load_results(tmp_path))]


def _ids(svg: str) -> list[str]:
    elements = ElementTree.fromstring(svg.replace("xlink:", "")).iter()
    return [identifier for element in elements if (identifier := element.get("id"))]


@pytest.mark.exhaustive
def test_similarities_have_curves_of_their_own_unit(study: Path) -> None:
    assert not [plot for plot in plots.all_plots(load_results(study)) if "XLRS" in plot.title]
    for run in (study / "runs").iterdir():
        found = [
            {"event": "figure", "step": step, "language": code, "metric": "xlrs", "value": 0.3 + step / 2_000}
            for step in (200, 400, 600)
            for code in LANGUAGES
            if code != "en"
        ]
        log = run / "metrics.jsonl"
        log.write_text(log.read_text() + "\n" + "".join(json.dumps(event) + "\n" for event in found))
    (plot,) = [plot for plot in plots.all_plots(load_results(study)) if "XLRS" in plot.title]
    assert "XLRS" in plot.svg and "(%)" not in plot.svg


@pytest.mark.exhaustive
def test_what_a_study_varies_has_a_plot_of_its_own(tmp_path: Path) -> None:
    for size, strength in (("small", 10), ("base", 20)):
        for length in (10, 100):
            changes = {"backbone": f"google/mt5-{size}", "start": {"parameters": strength * 1_000_000}}
            prompt = {"method": "prompt", "adaptation": {"num_virtual_tokens": length}}
            write_run(tmp_path / f"{size}-{length}", strength + length / 50, steps=(600,), **prompt, **changes)
    found = {plot.title: plot for plot in plots.all_plots(load_results(tmp_path))}
    assert {"By num virtual tokens", "By parameters", "Models compared, language by language"} <= found.keys()
    assert "mt5-small" in found["By parameters"].svg
    assert "prompt num_virtual_tokens=10, other languages" in found["By parameters"].svg
    assert "prompt mt5-base, other languages" in found["By num virtual tokens"].svg
    assert "log scale" in found["By num virtual tokens"].svg


@pytest.mark.exhaustive
def test_many_runs_are_drawn_by_setting(study: Path) -> None:
    for seed in range(8):
        write_run(study / "runs" / f"more-{seed}", 20 + seed, seed=seed, learning_rate=1e-4, method="full")
    results = load_results(study)
    plot = next(plot for plot in plots.all_plots(results) if plot.title == "While training")
    assert "too many runs" in plot.note
    assert "1e-4" not in plot.svg
    names = [element.text for element in ElementTree.fromstring(plot.svg.replace("xlink:", "")).iter("text")]
    assert names[-3:] == ["adapters", "full", "lead"]


def test_ticks_that_would_run_into_each_other_give_way_to_round_ones() -> None:
    rates = [1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 1e-2, 1e-1, 1e0]
    kept = _apart([(rate, rate_text(rate)) for rate in rates], log=True)
    assert kept == ["1e-6", "1e-5", "1e-4", "", "1e-3", "1e-2", "1e-1", "1e0"]
    few = [(rate, rate_text(rate)) for rate in (1e-4, 3e-4, 1e-3)]
    assert _apart(few, log=True) == [text for _, text in few]
    assert _apart([(1.0, "1"), (10.0, "10"), (11.0, "11"), (100.0, "100")], log=False) == ["1", "", "", "100"]
