"""Splits from different datasets."""

import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.core.registry import InputError
from xlgen.data.readers import DataError
from xlgen.data.readers.by_split import BySplitOptions, BySplitReader

READERS = {
    "train": {"name": "jsonl", "path": "english.jsonl"},
    "test": {"name": "lines", "path": "test.{language}.txt"},
}


def reader(folder: Path, **options: Any) -> BySplitReader:
    (folder / "english.jsonl").write_text(json.dumps({"text": "rain"}) + "\n", encoding="utf-8")
    (folder / "test.th.txt").write_text("ฝนตก\n", encoding="utf-8")
    return BySplitReader(validate(BySplitOptions, {"readers": READERS, **options}, "here"), folder)


def test_each_split_from_its_own(tmp_path: Path) -> None:
    found = reader(tmp_path, languages={"train": ["english"]})
    assert [record.fields for record in found.read("en", "train")] == [{"text": "rain"}]
    assert [record.fields for record in found.read("th", "test")] == [{"text": "ฝนตก", "line": 1}]


def test_what_it_does_not_hold(tmp_path: Path) -> None:
    found = reader(tmp_path, languages={"train": ["en"]})
    with pytest.raises(DataError, match="split 'train' has only en, not th"):
        found.read("th", "train")
    with pytest.raises(DataError, match="no reader is given for split 'validation'; there are: train, test"):
        found.read("en", "validation")


@pytest.mark.parametrize(
    ("readers", "message"),
    [
        ({}, "readers"),
        ({"train": {"name": "jsonl"}}, "(?s)here is invalid.*'readers.train.path' is missing"),
        ({"train": {"name": "jsnl", "path": "x"}}, "jsonl"),
        ({"train": {"name": None, "path": "x"}}, "a reader needs a `name`"),
    ],
)
def test_wrong_readers(tmp_path: Path, readers: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        reader(tmp_path, readers=readers)
