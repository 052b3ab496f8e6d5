"""Training and test data are never the same file without a word, whichever way it is named."""

import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.data.readers import DataError, Reader, readers

ROWS = [{"text": "ไทย", "label": "a"}, {"text": "हिन्दी", "label": "b"}]
NAMED_ALIKE: list[dict[str, Any]] = [
    {"name": "jsonl", "path": "th.jsonl"},
    {"name": "jsonl", "path": "{language}.jsonl"},
    {"name": "jsonl", "path": {"train": "th.jsonl", "validation": "./th.jsonl", "test": "{language}.jsonl"}},
    {"name": "csv", "path": "{language}.csv"},
    {
        "name": "by-split",
        "readers": {s: {"name": "jsonl", "path": "th.jsonl"} for s in ("train", "validation", "test")},
    },
    {"name": "hub", "dataset": "set", "splits": {"validation": "train", "test": "train"}},
    {"name": "hub", "dataset": "set", "data_files": dict.fromkeys(("train", "validation", "test"), "{language}.jsonl")},
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set").mkdir()
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    for name in ("th.jsonl", "en.jsonl", "set/train.jsonl", "set/th.jsonl"):
        (tmp_path / name).write_text(lines)
    (tmp_path / "th.csv").write_text("text,label\nไทย,a\nx,b\n")
    return tmp_path


def build(options: dict[str, Any], folder: Path) -> Reader:
    rest = {key: value for key, value in options.items() if key != "name"}
    kind = readers.get(options["name"])
    return kind(validate(kind.Options, rest, "here"), folder)


@pytest.mark.parametrize("options", NAMED_ALIKE)
@pytest.mark.parametrize("splits", [("train", "test"), ("train", "validation"), ("test", "train")])
def test_one_file_is_refused_for_training_and_test(folder: Path, options: dict[str, Any], splits: Any) -> None:
    reader = build(options, folder)
    assert len(list(reader.read("th", splits[0]))) == 2
    assert len(list(reader.read("th", splits[0]))) == 2
    with pytest.raises(DataError, match=r"would be both training data and .* data\..*same_file_for_all_splits: true"):
        list(reader.read("th", splits[1]))


@pytest.mark.parametrize("options", [each for each in NAMED_ALIKE if each["name"] != "by-split"])
def test_an_option_allows_it(folder: Path, options: dict[str, Any]) -> None:
    reader = build({**options, "same_file_for_all_splits": True}, folder)
    assert [len(list(reader.read("th", split))) for split in ("train", "test", "validation")] == [2, 2, 2]


@pytest.mark.parametrize("options", NAMED_ALIKE)
def test_validation_and_test_may_be_one_file(folder: Path, options: dict[str, Any]) -> None:
    reader = build(options, folder)
    assert [len(list(reader.read("th", split))) for split in ("validation", "test")] == [2, 2]


def test_other_languages_have_other_files(folder: Path) -> None:
    reader = build({"name": "jsonl", "path": "{language}.jsonl"}, folder)
    assert [len(list(reader.read(*each))) for each in (("en", "train"), ("th", "test"), ("en", "unlabelled"))] == [
        2
    ] * 3


def test_slices_of_one_split_are_apart(folder: Path) -> None:
    options = {"name": "hub", "dataset": "set", "data_files": "train.jsonl"}
    reader = build({**options, "splits": {"train": "train[:1]", "test": "train[1:]"}}, folder)
    assert [[row.fields["label"] for row in reader.read("th", split)] for split in ("train", "test")] == [["a"], ["b"]]
