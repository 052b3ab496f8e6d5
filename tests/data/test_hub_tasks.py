"""The shipped tasks of the hub, on local copies with the layout of their repositories: no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.data.readers import DataError
from xlgen.data.tasks import build_reader, load_task
from xlgen.study.plan import load_study


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


def parquet(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    from datasets import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(dict(columns)).to_parquet(str(path))


def card(folder: Path, configs: Mapping[str, Mapping[str, str]]) -> None:
    """The head of a README that names configurations and the files of their splits."""
    found = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
        for name, files in configs.items()
    ]
    text = f"---\n{yaml.safe_dump({'configs': found}, sort_keys=False)}---\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


def test_wikilingua(tmp_path: Path) -> None:
    folder = tmp_path / "esdurmus" / "wiki_lingua"
    count = 60
    english = [
        {"section_name": ["A", "B"], "document": [f"Do {n}.", "Then."], "summary": [f"{n}.", "B."]}
        for n in range(count)
    ]
    thai = [
        {
            "section_name": ["ก"],
            "document": [f"ทำ {n}"],
            "summary": [" " if n == 7 else f"สรุป {n}"],
            "english_url": [f"https://www.wikihow.com/{n}"],
            "english_section_name": ["A"],
        }
        for n in range(count)
    ]
    parquet(
        folder / "english" / "train-00000-of-00001.parquet",
        {"url": [f"https://www.wikihow.com/{n}" for n in range(count)], "article": english},
    )
    parquet(
        folder / "thai" / "train-00000-of-00001.parquet",
        {"url": [f"https://th.wikihow.com/{n}" for n in range(count)], "article": thai},
    )
    card(folder, {name: {"train": f"{name}/train-*"} for name in ("english", "thai")})
    task = load_task("wikilingua", tmp_path)
    parts = {
        (code, split): task.examples(code, split) for code in ("en", "th") for split in ("train", "validation", "test")
    }
    assert sum(len(found) for (code, _), found in parts.items() if code == "en") == 2 * count
    assert sum(len(found) for (code, _), found in parts.items() if code == "th") == count - 1, "one has no summary"
    for split in ("train", "validation", "test"):
        articles = {example.source.split()[-1] for example in parts["en", split] if example.source != "Then."}
        assert {f"{example.source.split()[-1]}." for example in parts["th", split]} <= articles, "held out together"
    assert len(parts["en", "train"]) > len(parts["en", "validation"]) + len(parts["en", "test"])


def test_xlsum_and_its_headlines(tmp_path: Path) -> None:
    folder = tmp_path / "csebuetnlp" / "xlsum"
    for name, text in (("english", "It rained."), ("chinese_simplified", "下雨了。")):
        for split in ("train", "validation", "test"):
            row = {"id": "1", "url": "u", "title": f"{split} title", "summary": f"{split} summary", "text": text}
            parquet(folder / name / split / "0000.parquet", {key: [value] for key, value in row.items()})
    (chinese,) = load_task("xlsum", tmp_path).examples("zh", "validation")
    assert (chinese.source, chinese.targets) == ("下雨了。", ("validation summary",))
    (english,) = load_task("xlsum-headlines", tmp_path).examples("en", "train")
    assert (english.source, english.targets) == ("It rained.", ("train title",))


def test_squad_to_xquad(tmp_path: Path) -> None:
    row = {"id": "1", "title": "t", "context": "Rain fell.", "question": "What fell?"}
    answers = {"answers": [{"text": ["Rain", "Rain"], "answer_start": [0, 0]}]}
    squad, xquad = tmp_path / "rajpurkar" / "squad", tmp_path / "google" / "xquad"
    columns = {**{key: [value] for key, value in row.items()}, **answers}
    for split in ("train", "validation"):
        parquet(squad / "plain_text" / f"{split}-00000-of-00001.parquet", columns)
    card(squad, {"plain_text": {split: f"plain_text/{split}-*" for split in ("train", "validation")}})
    parquet(
        xquad / "xquad.th" / "validation-00000-of-00001.parquet",
        {**columns, "context": ["ฝนตก"], "question": ["อะไรตก"]},
    )
    card(xquad, {"xquad.th": {"validation": "xquad.th/validation-*"}})
    task = load_task("squad-xquad-hub", tmp_path)
    (train,) = task.examples("en", "train")
    assert (train.source, train.targets) == ("Rain fell. What fell?", ("Rain",))
    for split in ("validation", "test"):
        (test,) = task.examples("th", split)
        assert test.source == "ฝนตก อะไรตก"
    with pytest.raises(DataError, match="split 'train' holds en only"):
        task.examples("th", "train")


def test_c4_by_the_paragraph(tmp_path: Path) -> None:
    """The corpus of C's intermediate tuning."""
    import gzip
    import json

    folder = tmp_path / "allenai" / "c4"
    (folder / "multilingual").mkdir(parents=True)
    row = {"text": f"Menu\n{'Une phrase. ' * 20}\n{'Une autre. ' * 20}", "timestamp": "t", "url": "u"}
    with gzip.open(folder / "multilingual" / "c4-fr.tfrecord-00000-of-02048.json.gz", "wt", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    card(folder, {"fr": {"train": "multilingual/c4-fr.tfrecord-*.json.gz"}})
    mixing = next(run.recipe for run in load_study("c-figure-2").runs if run.name.startswith("mixing-xlsum"))
    corpus = mixing.stages[0].unlabelled[0].corpus
    found = list(build_reader(corpus, tmp_path, "the corpus").read("fr", "unlabelled"))
    assert [record.fields["text"][:10] for record in found] == ["Une phrase", "Une autre."]
