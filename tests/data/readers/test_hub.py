"""Hub data sets, on local folders in the same layout: no network, no remote code."""

import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.config import validate
from xlgen.data.examples import Record
from xlgen.data.readers import DataError
from xlgen.data.readers.hub import HubOptions, HubReader

ROWS = [
    {"id": "1", "text": "今天\u2028下雨", "answers": {"text": ["雨", "雨", "今天"], "answer_start": [2, 2, 0]}},
    {"id": "2", "text": "昨天下雪", "answers": {"text": ["雪"], "answer_start": [3]}},
]


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def read(folder: Path, language: str = "zh", split: str = "train", **options: Any) -> list[Record]:
    reader = HubReader(validate(HubOptions, {"dataset": "set", **options}, "here"), folder)
    return list(reader.read(language, split))


def write_jsonl(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS), encoding="utf-8")


def write_parquet(path: Path) -> None:
    from datasets import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_list(ROWS).to_parquet(str(path))


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize(("name", "write"), [("train.jsonl", write_jsonl), ("train.parquet", write_parquet)])
def test_a_local_folder(tmp_path: Path, name: str, write: Any, streaming: bool) -> None:
    write(tmp_path / "set" / name)
    found = read(tmp_path, streaming=streaming)
    assert [record.fields["text"] for record in found] == ["今天\u2028下雨", "昨天下雪"]
    # SQuAD's nested answers become distinct texts.
    assert [record.fields["answers"] for record in found] == [("雨", "今天"), ("雪",)]
    assert found[1].where.endswith("train, row 1")


def test_language_and_split_by_the_names_of_the_data_set(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "set" / "cmn" / "rows.jsonl")
    files = {"validation": "{language}/rows.jsonl"}
    found = read(tmp_path, split="test", data_files=files, codes={"zh": "cmn"}, splits={"test": "validation"})
    assert len(found) == 2


@pytest.mark.parametrize(
    ("split", "options"),
    [
        ("test", {}),
        ("train", {"dataset": "absent-set"}),
        ("train", {"data_files": "{language}.jsonl"}),
        ("train", {"config": "xquad.{language}"}),
    ],
)
def test_what_cannot_be_loaded(tmp_path: Path, split: str, options: dict[str, Any]) -> None:
    write_jsonl(tmp_path / "set" / "train.jsonl")
    with pytest.raises(DataError, match="cannot load data set"):
        read(tmp_path, split=split, **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_file(tmp_path: Path, streaming: bool) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"id": "1"}\n{"id": \n')
    with pytest.raises(DataError, match="cannot load data set"):
        read(tmp_path, streaming=streaming)
