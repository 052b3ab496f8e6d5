"""Splits by a field: its values are never in two splits, in no language, and near-duplicates are not trained on."""

import gzip
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.core.registry import InputError
from xlgen.data.near_duplicates import near_duplicates
from xlgen.data.readers import DataError
from xlgen.data.readers.by_group import ByGroupOptions, ByGroupReader
from xlgen.data.tasks import load_task

SPLITS = ("train", "validation", "test")


def reader(folder: Path, rows: dict[str, list[dict[str, Any]]], **options: Any) -> ByGroupReader:
    for language, found in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        (folder / f"{language}.jsonl").write_text(text, encoding="utf-8")
    inner = {"name": "jsonl", "path": "{language}.jsonl"}
    return ByGroupReader(validate(ByGroupOptions, {"reader": inner, "split_by": "doc", **options}, "here"), folder)


def rows(prefix: str) -> list[dict[str, Any]]:
    return [{"doc": f"d{i % 200}", "text": f"{prefix} {i}" + chr(0x4E00 + i) * 9} for i in range(400)]


def test_a_document_is_in_one_split_in_all_languages(tmp_path: Path) -> None:
    found = reader(tmp_path, {"en": rows("rain"), "fr": rows("pluie")}, near_duplicates="keep")
    docs = {
        (code, split): {record.fields["doc"] for record in found.read(code, split)}
        for code in ("en", "fr")
        for split in SPLITS
    }
    for split in SPLITS:
        assert docs["en", split] == docs["fr", split]
        assert docs["en", split].isdisjoint(set().union(*(docs["fr", other] for other in SPLITS if other != split)))
    assert sum(len(list(found.read("en", split))) for split in SPLITS) == 400
    assert 280 <= len(list(found.read("en", "train"))) <= 360
    again = reader(tmp_path, {"en": rows("rain")[::-1]}, near_duplicates="keep")
    assert {record.fields["doc"] for record in again.read("en", "test")} == docs["en", "test"], "order does not matter"
    other = reader(tmp_path, {"en": rows("rain")}, near_duplicates="keep", seed=1)
    assert {record.fields["doc"] for record in other.read("en", "test")} != docs["en", "test"]


def test_near_duplicates_are_not_trained_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "The package holds the files that are needed to build programs with library"
    same = {"en": [{"doc": f"lib{i}", "text": f"{text} {i}."} for i in range(100)]}
    with caplog.at_level(logging.WARNING):
        found = reader(tmp_path, same)
        assert list(found.read("en", "train")) == []
    assert "training rows in en are near-duplicates of rows of other splits" in caplog.text
    assert list(reader(tmp_path, same, near_duplicates="keep").read("en", "train"))
    apart = [{**row, "title": f"{row['doc']} {chr(0x4E00 + i) * 30}"} for i, row in enumerate(same["en"])]
    assert list(reader(tmp_path, {"en": apart}, compare="title").read("en", "train"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shares": {"train": 0.8, "test": 0.1}}, "sum to 1"),
        ({"shares": {"train": 1.2, "test": -0.2}}, "above 0"),
        ({"near_duplicates": "some"}, "near_duplicates"),
        ({"reader": {"name": "jsonll"}}, "jsonll"),
    ],
)
def test_wrong_options(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        reader(tmp_path, {"en": rows("rain")}, **options)


@pytest.mark.parametrize("value", [None, "", ["a"], 0.5])
def test_rows_without_the_field_are_named(tmp_path: Path, value: Any) -> None:
    found = reader(tmp_path, {"en": [{"doc": "a", "text": "x"}, {"doc": value, "text": "y"}]})
    with pytest.raises(DataError, match=r"en\.jsonl, line 2: field 'doc'"):
        found.read("en", "train")


def test_a_split_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="split into train, validation, test; there is no split 'dev'"):
        reader(tmp_path, {"en": rows("rain")}).read("en", "dev")


def test_package_descriptions_of_debian(shared: Callable[[str], Path]) -> None:
    """Families of packages differ by a word; after a split by package none is in training and test."""
    folder = shared("debian_descriptions/zh.jsonl.gz").parent
    task = {
        "reader": {
            "name": "by-group",
            "split_by": "package",
            "compare": "description",
            "reader": {"name": "jsonl", "path": "{language}.jsonl.gz"},
        },
        "languages": ["zh", "cs"],
        "source": "{description}",
        "target": "synopsis",
        "metrics": ["rouge"],
        "main_metric": "rougeL",
    }
    found = load_task_from(task, folder)
    for code in ("zh", "cs"):
        texts = {split: [each.source for each in found.examples(code, split)] for split in SPLITS}
        with gzip.open(folder / f"{code}.jsonl.gz", "rt", encoding="utf-8") as file:
            assert sum(map(len, texts.values())) <= sum(1 for _ in file)
        assert not set(texts["train"]) & {*texts["validation"], *texts["test"]}
        assert not near_duplicates(texts["train"], [*texts["validation"], *texts["test"]])


def load_task_from(task: dict[str, Any], data_dir: Path) -> Any:
    import tempfile

    import yaml

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "debian.yaml"
        path.write_text(yaml.safe_dump(task), encoding="utf-8")
        return load_task(str(path), data_dir)


def test_a_split_that_no_value_fell_into_is_named(tmp_path: Path) -> None:
    few = {"en": [{"doc": "a", "text": "x"}, {"doc": "a", "text": "y"}]}
    found = reader(tmp_path, few)
    messages = 0
    for split in SPLITS:
        try:
            assert len(list(found.read("en", split))) == 2
        except DataError as error:
            assert "give other shares or another seed" in str(error)
            messages += 1
    assert messages == 2


def test_the_docs_show_all_of_its_options(tmp_path: Path) -> None:
    import re

    import yaml

    page = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "read-data.md").read_text(encoding="utf-8")
    (block,) = (each for each in re.findall(r"```yaml\n(.*?)```", page, re.DOTALL) if "by-group" in each)
    options = yaml.safe_load(block)["reader"]
    assert options.pop("name") == "by-group"
    assert set(options) == set(ByGroupOptions.model_fields) - {"name"}
    validate(ByGroupOptions, options, "here")
