"""The files of an evaluation, and the small files that only training reads and writes."""

import json
from pathlib import Path

import pytest

from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.runs.evaluations import (
    prediction_files,
    read_empty_inputs,
    read_settings,
    write_predictions,
    write_scores,
    write_settings,
)
from xlgen.runs.records import read_predictions
from xlgen.runs.stage_files import read_tracker_ids, read_translations, write_tracker_ids, write_translations


def test_predictions_are_read_as_they_were_written(tmp_path: Path) -> None:
    row = {"id": "1", "language": "th", "input": "a", "prediction": "ไทย\u2028", "raw": "ไทย", "references": ["b"]}
    write_predictions(tmp_path / "step-1", {"th": [row], "en": []})  # type: ignore[list-item]
    files = prediction_files(tmp_path / "step-1")
    assert [file.name for file in files] == ["en.jsonl", "th.jsonl"]
    assert read_predictions(files[1]) == [row]
    with pytest.raises(InputError):
        write_predictions(tmp_path, {"../th": []})


def test_scores_and_empty_inputs(tmp_path: Path) -> None:
    write_scores(tmp_path, [{"value": 1.0}], {})
    assert json.loads((tmp_path / "summary.json").read_text(encoding="utf-8")) == {"rows": [{"value": 1.0}]}
    assert read_empty_inputs(tmp_path) == {}
    write_scores(tmp_path, [], {"th": 5})
    assert read_empty_inputs(tmp_path) == {"th": 5}


def test_settings_that_are_missing_or_damaged_are_none(tmp_path: Path) -> None:
    assert read_settings(tmp_path) is None
    write_settings(tmp_path, {"task": "x"})
    assert read_settings(tmp_path) == {"task": "x"}
    (tmp_path / "settings.json").write_text("[1]", encoding="utf-8")
    assert read_settings(tmp_path) is None


def test_translations_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_translations(tmp_path) is None
    example = LabelledExample("1", "th", "a text\u2028", ("a", "b"), "here", (0, 3), words=("a", "text"))
    write_translations(tmp_path / "stage", [example])
    assert read_translations(tmp_path / "stage") == [example]


def test_ids_of_trackers(tmp_path: Path) -> None:
    assert read_tracker_ids(tmp_path) == {}
    write_tracker_ids(tmp_path, {"wandb": "x"})
    assert read_tracker_ids(tmp_path) == {"wandb": "x"}
