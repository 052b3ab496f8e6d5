"""Hub datasets, on local folders in the same layout: no network, no remote code."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.core.yaml_config import RecipeError
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
    with pytest.raises(DataError, match="cannot load dataset"):
        read(tmp_path, split=split, **options)


@pytest.mark.parametrize("streaming", [False, True])
def test_a_damaged_file(tmp_path: Path, streaming: bool) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"id": "1"}\n{"id": \n')
    with pytest.raises(DataError, match="cannot load dataset"):
        read(tmp_path, streaming=streaming)


# -- what rows are

SECTIONS: dict[str, Any] = {
    "url": [f"https://www.wikihow.com/{n}" for n in range(40)],
    "article": [
        {
            "section_name": ["Eins", "Zwei", "Leer"],
            "document": [f"Erstens {n}.", f"Zweitens {n}.", "Nichts."],
            "summary": [f"Eins {n}", f"Zwei {n}", " "],
            "english_url": [f"https://www.wikihow.com/english-{n}"] * 3,
        }
        for n in range(40)
    ],
}
"""As esdurmus/wiki_lingua has it: an article is a row, its sections are lists."""
LISTS = {
    **SECTIONS,
    "article": [[dict(zip(a, v, strict=True)) for v in zip(*a.values(), strict=True)] for a in SECTIONS["article"]],
}
HOLD_OUT = {"by": ["english_url", "url"], "shares": {"validation": 0.2, "test": 0.1}}


def write_columns(path: Path, columns: dict[str, Any]) -> None:
    from datasets import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(columns).to_parquet(str(path))


@pytest.mark.parametrize("columns", [SECTIONS, LISTS], ids=["struct of lists", "list of structs"])
def test_sections_are_rows_and_empty_ones_are_left_out(tmp_path: Path, columns: dict[str, Any]) -> None:
    write_columns(tmp_path / "set" / "german" / "train-0.parquet", columns)
    options: dict[str, Any] = {"data_files": {"train": "{language}/*.parquet"}, "codes": {"de": "german"}}
    found = read(tmp_path, "de", unfold="article", required=("summary",), **options)
    assert len(found) == 80
    assert found[1].fields["document"] == "Zweitens 0."
    assert found[1].fields["url"] == "https://www.wikihow.com/0"
    assert found[1].where.endswith("german train, row 0")
    assert len(read(tmp_path, "de", unfold="article", limit=7, **options)) == 7


def test_splits_are_held_out_by_article_and_alike_in_every_language(tmp_path: Path) -> None:
    english = {"url": [f"https://www.wikihow.com/english-{n}" for n in range(40)], "text": ["x"] * 40}
    write_columns(tmp_path / "set" / "de.parquet", SECTIONS)
    write_columns(tmp_path / "set" / "en.parquet", english)
    options: dict[str, Any] = {
        "data_files": {"train": "{language}.parquet"},
        "splits": {"validation": "train", "test": "train"},
        "hold_out": HOLD_OUT,
    }
    of_english = {
        s: {r.fields["url"] for r in read(tmp_path, "en", s, **options)} for s in ("train", "validation", "test")
    }
    assert set().union(*of_english.values()) == set(english["url"])
    assert sum(map(len, of_english.values())) == 40
    assert all(of_english.values())
    for split, urls in of_english.items():
        rows = read(tmp_path, "de", split, unfold="article", **options)
        assert {row.fields["english_url"] for row in rows} == urls
        assert len(rows) == 3 * len(urls)


def test_a_row_without_the_key_is_an_error(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "set" / "train.jsonl")
    with pytest.raises(DataError, match="a row has none of the fields link"):
        read(tmp_path, hold_out={"by": ["link"], "shares": {"test": 0.5}})


@pytest.mark.parametrize("shares", [{}, {"train": 0.5}, {"test": 1.0}, {"test": 0.6, "validation": 0.6}, {"test": 0}])
def test_wrong_shares(shares: dict[str, float]) -> None:
    with pytest.raises(RecipeError, match="`train` is the rest"):
        validate(HubOptions, {"dataset": "x", "hold_out": {"by": ["url"], "shares": shares}}, "here")


def test_a_streamed_corpus_by_the_paragraph_up_to_a_limit(tmp_path: Path) -> None:
    """As allenai/c4 has it: gzipped JSON lines, a document a row."""
    path = tmp_path / "set" / "c4-fr.json.gz"
    path.parent.mkdir()
    rows = [{"text": f"Menu\nPremière phrase {n}. Deuxième phrase.\nTroisième phrase {n}."} for n in range(9)]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    options: dict[str, Any] = {"data_files": {"train": "c4-{language}.json.gz"}, "splits": {"unlabelled": "train"}}
    found = read(tmp_path, "fr", "unlabelled", streaming=True, limit=5, paragraphs=10, **options)
    assert [record.fields["text"] for record in found][:3] == [
        "Première phrase 0. Deuxième phrase.",
        "Troisième phrase 0.",
        "Première phrase 1. Deuxième phrase.",
    ]
    assert len(found) == 5


# -- text stays text

GUESSED = [
    "2020-01-01",
    "2020-01-01T10:00:00Z",
    "007",
    "1e5",
    "1.50",
    "NA",
    "null",
    "None",
    "NaN",
    "true",
    "-",
    "",
    "๑๒",
]
"""What readers of tables like to take for dates, numbers, truth values or nothing."""


@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("name", ["train.csv", "train.tsv", "train.jsonl", "train.json", "train.csv.gz"])
def test_text_keeps_its_type_and_spelling(tmp_path: Path, name: str, streaming: bool) -> None:
    """A column of each alone, which is what types are guessed from, and one of all."""
    rows = [{**{f"c{n}": text for n, text in enumerate(GUESSED)}, "all": text} for text in GUESSED]
    separator = "\t" if ".tsv" in name else ","
    content = "".join(f"{separator.join(row.values())}\n" for row in [dict.fromkeys(rows[0], ""), *rows])
    content = separator.join(rows[0]) + content[content.index("\n") :]
    if ".json" in name:
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        content = f"[{', '.join(lines)}]" if name.endswith(".json") else "\n".join(lines)
    (tmp_path / "set").mkdir()
    data = content.encode()
    (tmp_path / "set" / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    found = read(tmp_path, "th", streaming=streaming, data_files={"train": name})
    assert [dict(record.fields) for record in found] == rows
    sliced = read(tmp_path, "th", split="test", data_files={"train": name}, splits={"test": "train[2:4]"})
    assert [record.fields["all"] for record in sliced] == GUESSED[2:4]


def test_numbers_of_json_stay_numbers_of_their_kind(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text('{"n": 1, "x": "1"}\n{"n": null, "x": "b"}\n{"n": 2.0}\n')
    found = read(tmp_path)
    assert [repr(record.fields.get("n")) for record in found] == ["1", "None", "2.0"]
    assert [record.fields.get("x") for record in found] == ["1", "b", None]


def test_class_numbers_in_csv_have_the_names_of_the_card(tmp_path: Path) -> None:
    card = "---\ndataset_info:\n  features:\n  - {name: text, dtype: string}\n  - name: label\n    dtype:\n"
    card += "      class_label: {names: {'0': 'nein', '1': 'ja'}}\n---\n"
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "README.md").write_text(card)
    (tmp_path / "set" / "train.csv").write_text("text,label\n007,1\nb,0\n")
    assert [tuple(record.fields.values()) for record in read(tmp_path)] == [("007", "ja"), ("b", "nein")]


@pytest.mark.parametrize("name", ["train.jsonl", "train.parquet"])
def test_required_fields_that_are_missing(tmp_path: Path, name: str) -> None:
    """A null is missing, as blank text and lists of nothing are; the text ``None`` is there."""
    rows: list[dict[str, Any]] = [
        {"text": "a", "answers": ["x"]},
        {"text": None, "answers": ["x"]},
        {"text": " \u3000", "answers": ["x"]},
        {"text": "b", "answers": []},
        {"text": "c", "answers": None},
        {"text": "d", "answers": [""]},
        {"text": "None", "answers": ["", "x"]},
    ]
    (tmp_path / "set").mkdir()
    if name.endswith("jsonl"):
        (tmp_path / "set" / name).write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"answers": ["x"]}]))
    else:
        from datasets import Dataset

        Dataset.from_list(rows).to_parquet(str(tmp_path / "set" / name))
    found = read(tmp_path, required=("text", "answers"))
    assert [record.fields["text"] for record in found] == ["a", "None"]


def test_nulls_where_text_is_cut_or_unfolded(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    rows = [{"text": None, "parts": None}, {"text": "long enough\nno", "parts": [{"x": "1"}]}]
    (tmp_path / "set" / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [record.fields["text"] for record in read(tmp_path, paragraphs=5)] == ["long enough"]
    assert [record.fields["x"] for record in read(tmp_path, unfold="parts")] == ["1"]
