"""Label overlap of the tasks that Li and Murray (2023, section 5) speak of: WikiLingua, UDPOS, TyDiQA."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from xlgen.analysis.numeric import is_mostly_numbers, is_number, numeric_shares
from xlgen.analysis.overlap import distribution_overlap, label_overlap, word_overlap
from xlgen.cli import app
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task

DATA = Path(__file__).parents[3] / "shared" / "data"


def parquet(path: Path, columns: dict[str, list[Any]]) -> None:
    from datasets import Dataset

    path.parent.mkdir(parents=True, exist_ok=True)
    Dataset.from_dict(columns).to_parquet(str(path))


def card(folder: Path, configs: dict[str, dict[str, str]]) -> None:
    files = [
        {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in found.items()]}
        for name, found in configs.items()
    ]
    (folder / "README.md").write_text(f"---\n{yaml.safe_dump({'configs': files})}---\n", encoding="utf-8")


@pytest.fixture(autouse=True)
def _offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)


@pytest.fixture
def wikilingua(tmp_path: Path) -> Path:
    """Articles of two sections; French has them in another order, lacks some, and says where each comes from."""
    folder, count = tmp_path / "esdurmus" / "wiki_lingua", 30
    url = "https://www.wikihow.com/{}".format
    english = [
        {
            "section_name": ["First way", "Second way"],
            "document": [f"Do it {n} times.", "Then rest."],
            "summary": [f"{n}.", f"Rest well in Paris, day {n}."],
        }
        for n in range(count)
    ]
    french = [
        {
            "section_name": ["Deuxième", "Première"],
            "document": ["Repose-toi.", f"Fais-le {n} fois."],
            "summary": [f"Reposez-vous à Paris, jour {n}.", f"{n}."],
            "english_url": [url(n)] * 2,
            "english_section_name": ["Second way", "First way"],
        }
        for n in reversed(range(5, count))
    ]
    parquet(folder / "english" / "train-0.parquet", {"url": [url(n) for n in range(count)], "article": english})
    parquet(
        folder / "french" / "train-0.parquet",
        {"url": [f"https://fr.wikihow.com/{n}" for n in range(len(french))], "article": french},
    )
    card(folder, {name: {"train": f"{name}/train-*"} for name in ("english", "french")})
    return tmp_path


def test_wikilingua_by_the_english_article_and_section(wikilingua: Path) -> None:
    task = load_task("wikilingua", wikilingua)
    found, mean = label_overlap(task, languages=["fr"], split="train")
    pairs = len(task.examples("fr", "train"))
    assert (found.n, found.pairing) == (pairs, "fields")
    assert found.value == 50  # one section's summary is a number, which is the same; the other is a sentence
    # Of "Rest well in Paris, day 7." and its translation, 2 of 6 words: Paris and 7; of the number, 1 of 1.
    assert found.words == pytest.approx(100 * (1 + 2) / (1 + 6))
    assert mean.value == 50


def test_rows_with_the_same_key_pair_in_their_order(tmp_path: Path) -> None:
    rows = {
        "en": [("u", "s", "a"), ("u", "s", "b"), ("v", "s", "c"), ("", "s", "d")],
        "fr": [("v", "s", "c"), ("u", "s", "a"), ("u", "s", "x"), ("w", "s", "e")],
    }
    for code, found in rows.items():
        lines = [json.dumps({"url": u, "name": s, "label": label, "text": code}) for u, s, label in found]
        (tmp_path / f"{code}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = {
        "reader": {"name": "jsonl", "path": "{language}.jsonl"}, "languages": ["en", "fr"], "source": "{text}",
        "target": "label", "metrics": ["accuracy"], "main_metric": "accuracy",
        "pairs_by": [["english_url", "url"], ["name"]],
    }  # fmt: skip
    (tmp_path / "task.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    found, _ = label_overlap(load_task(str(tmp_path / "task.yaml"), tmp_path))
    assert (found.n, found.value) == (3, pytest.approx(200 / 3))
    (tmp_path / "fr.jsonl").write_text(
        json.dumps({"url": "z", "name": "s", "label": "a", "text": "t"}), encoding="utf-8"
    )
    with pytest.raises(InputError, match="no example in fr has the english_url/url, name of an example in en"):
        label_overlap(load_task(str(tmp_path / "task.yaml"), tmp_path))


@pytest.fixture
def tydiqa(tmp_path: Path) -> Path:
    answers = {
        "english": ["1912", "12 October 1999", "Paris", "in the year of 1912 or so", "5,000", "50 %"],
        "arabic": ["١٩١٢", "باريس", "12", "في عام 1912"],
    }
    folder = tmp_path / "google-research-datasets" / "tydiqa"
    rows = [
        {
            "id": f"{name}-{i}",
            "title": "t",
            "context": f"c {a}",
            "question": "q?",
            "answers": {"text": [a], "answer_start": [2]},
        }
        for name, found in answers.items()
        for i, a in enumerate(found)
    ]
    for split in ("train", "validation"):
        parquet(folder / "secondary_task" / f"{split}-0.parquet", {key: [row[key] for row in rows] for key in rows[0]})
    card(folder, {"secondary_task": {s: f"secondary_task/{s}-*" for s in ("train", "validation")}})
    return tmp_path


@pytest.mark.parametrize("name", ["tydiqa", "tydiqa-cloze"])
def test_tydiqa_has_no_parallel_inputs_but_numbers(tydiqa: Path, name: str) -> None:
    found, _ = label_overlap(load_task(name, tydiqa), languages=["ar"])
    assert (found.value, found.n, found.pairing) == (None, 4, "none")
    assert (found.pure_numbers, found.mostly_numbers, found.some_numbers) == (50, 50, 75)
    assert 0 < found.words < 100
    english, _ = label_overlap(load_task(name, tydiqa), "ar", languages=["en"])
    assert english.pure_numbers == 50
    assert english.mostly_numbers == pytest.approx(100 * 4 / 6)
    assert english.some_numbers == pytest.approx(100 * 5 / 6)


def test_the_command_on_tydiqa(tydiqa: Path) -> None:
    done = CliRunner().invoke(
        app,
        ["analyze", "overlap", "tydiqa", "--languages", "ar", "--data-dir", str(tydiqa), "--out", str(tydiqa / "out")],
    )
    assert done.exit_code == 0, done.output
    rows = json.loads((tydiqa / "out" / "overlap.json").read_text(encoding="utf-8"))["rows"]
    assert [row["language"] for row in rows] == ["ar", "average"]
    assert rows[0]["value"] is None and rows[0]["pure_numbers"] == 50


def test_udpos_word_by_word(tmp_path: Path) -> None:
    folder = tmp_path / "google" / "xtreme"
    tags = {"English": [["DET", "NOUN", "VERB"], ["NOUN"]], "French": [["DET", "NOUN", "VERB", "ADJ"]]}
    for name, found in tags.items():
        columns = {"tokens": [["w"] * len(row) for row in found], "pos_tags": found}
        for split in ("train", "validation", "test"):
            parquet(folder / f"udpos.{name}" / f"{split}-0.parquet", columns)
    card(
        folder, {f"udpos.{name}": {s: f"udpos.{name}/{s}-*" for s in ("train", "validation", "test")} for name in tags}
    )
    for task in ("udpos", "udpos-tags"):
        found, _ = label_overlap(load_task(task, tmp_path), languages=["fr"])
        # English: DET 1/4, NOUN 2/4, VERB 1/4. French: a quarter each of four.
        assert (found.value, found.words) == (None, pytest.approx(75))


@pytest.mark.skipif(not (DATA / "ud_pud").is_dir(), reason=f"no PUD in {DATA}")
def test_tags_of_parallel_sentences() -> None:
    """Section 5.2 expects nearly the same tags; they are three in four, and whole rows of tags are seldom equal."""
    found = label_overlap(load_task("pos-pud", DATA), languages=["de", "fr"])
    for each in found[:2]:
        assert each.n == 1_000 and each.pairing == "id"
        assert each.words > 70 > 5 > (each.value or 0)


def test_word_overlap_counts_bags() -> None:
    assert word_overlap([["a", "a", "b"]], [["a", "b", "b", "c"]]) == 50
    assert word_overlap([["a"], ["b", "c"]], [["a"], ["d"]]) == pytest.approx(100 / 3)
    with pytest.raises(InputError, match="not 1 and 2"):
        word_overlap([["a"]], [["a"], ["b"]])
    assert distribution_overlap("aab", "abb") == pytest.approx(200 / 3)


@pytest.mark.parametrize(
    ("text", "pure", "mostly"),
    [
        ("1912", True, True),
        ("5,000", True, True),
        ("50 %", True, True),
        ("12/10/1999", True, True),
        ("१९१२", True, True),
        ("12 October 1999", False, True),
        ("October 1999", False, True),
        ("the 12th of October", False, False),
        ("Paris", False, False),
        ("twelve", False, False),
        ("–", False, False),
    ],
)
def test_what_is_a_number(text: str, pure: bool, mostly: bool) -> None:
    assert (is_number(text), is_mostly_numbers(text, "en")) == (pure, mostly)
    shares = numeric_shares([text], "en")
    assert (shares.pure, shares.mostly) == (100 * pure, 100 * mostly)
