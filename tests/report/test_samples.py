from pathlib import Path

import pytest

from synthetic import write_run
from xlgen.report import samples
from xlgen.results.rows import load


def test_the_best_and_the_worst_run_are_shown(study: Path) -> None:
    chosen = samples.choose_samples(load(study))
    assert [shown.run.name for shown in chosen] == ["adapters-1e-3", "full-1e-3"]


def test_one_run_is_shown_once(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    assert len(samples.choose_samples(load(tmp_path))) == 1


def test_twenty_are_picked_evenly(study: Path) -> None:
    arabic = _language(study, 0, "ar")
    assert [sample.id for sample in arabic.samples] == [f"ar-{i}" for i in range(0, 40, 2)]
    assert (arabic.total, arabic.direction) == (40, "rtl")


def test_what_is_in_another_language_is_wrong(study: Path) -> None:
    thai = _language(study, 1, "th")
    assert thai.samples[0].verdict == "wrong"
    assert thai.samples[0].identified == "English 97 %"
    assert thai.samples[18].verdict == "right"
    assert thai.samples[19].verdict == "empty"
    assert thai.wrong == 15  # 14 in English, one empty


def test_without_identification_nothing_is_wrong(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples, "identifier", lambda: None)
    thai = _language(study, 1, "th")
    assert {sample.verdict for sample in thai.samples} == {"unknown", "empty"}


def test_long_text_is_cut(tmp_path: Path) -> None:
    found = samples._of_language("en", [{"prediction": "a" * 5000, "input": "b" * 5000}], None)
    assert len(found.samples[0].prediction) < 1300
    assert found.samples[0].input.endswith("…")


def test_predictions_may_be_missing(tmp_path: Path) -> None:
    write_run(tmp_path / "run")
    for file in (tmp_path / "run" / "predictions" / "step-600").iterdir():
        file.unlink()
    assert samples.choose_samples(load(tmp_path)) == []


def _language(study: Path, number: int, code: str) -> samples.LanguageSamples:
    return next(found for found in samples.choose_samples(load(study))[number].languages if found.code == code)
