"""The pocket world as a dataset."""

from pathlib import Path
from typing import Any

import pytest

from xlgen.core.config import validate
from xlgen.core.yaml_config import RecipeError
from xlgen.data.examples import Record
from xlgen.data.readers import DataError, readers
from xlgen.pocket.world import LANGUAGES, QUESTIONS, SHORTEST_DOCUMENT, SPLITS, frames, render


def read(language: str, split: str = "train", kind: str = "pocket", **options: Any) -> list[Record]:
    reader = readers.get(kind)
    return list(reader(validate(reader.Options, options, "here"), Path()).read(language, split))


@pytest.mark.parametrize("language", LANGUAGES)
def test_rows_are_the_stories_of_the_split(language: str) -> None:
    rows = [record.fields for record in read(language, "test", size=8)]
    stories = [render(frame, language) for frame in frames("test", 8)]
    assert [row["document"] for row in rows] == [story.document for story in stories]
    assert [row["summary"] for row in rows] == [story.summary for story in stories]
    for row, story in zip(rows, stories, strict=True):
        assert row["text"] == row["document"], "nothing bilingual unless asked for"
        assert (row["question"], row["answers"][0]) in story.questions.values()
    assert len({row["id"] for row in rows}) == 8


def test_rows_are_parallel_over_languages_and_ask_every_kind_of_question() -> None:
    found = {language: read(language, size=40) for language in ("en", "th", "ar")}
    kinds = {}
    for language, rows in found.items():
        stories = [render(frame, language) for frame in frames("train", 40)]
        kinds[language] = [
            next(kind for kind, pair in story.questions.items() if pair[0] == row.fields["question"])
            for row, story in zip(rows, stories, strict=True)
        ]
    assert kinds["en"] == kinds["th"] == kinds["ar"]
    assert set(kinds["en"]) == set(QUESTIONS)


def test_seeds_draw_apart_and_sizes_do_not_matter() -> None:
    assert read("ja", size=3) == read("ja", size=9)[:3]
    assert read("ja", size=3) != read("ja", size=3, seed=1)


def test_bilingual_text_has_sentences_of_a_second_language() -> None:
    rows = [record.fields for record in read("ru", "unlabelled", size=30, bilingual=1.0)]
    assert sum(row["text"] != row["document"] for row in rows) > 25
    assert sum(any(char.isascii() and char.isalpha() for char in row["text"]) for row in rows) > 5


def test_parallel_passages() -> None:
    rows = [record.fields for record in read("th", kind="pocket-parallel", size=60, max_sentences=2)]
    assert {row["translation_language"] for row in rows} == {*LANGUAGES} - {"th"}
    assert all(row["text"] and row["translation"] and row["text"] != row["translation"] for row in rows)
    whole = {sentence for frame in frames("unlabelled", 60) for sentence in render(frame, "th").sentences}
    alone = [row for row in rows if row["text"] in whole]
    assert 10 < len(alone) < 50, "one sentence or two"
    assert len(read("en", kind="pocket-parallel", size=60, max_sentences=SHORTEST_DOCUMENT)) == 60


@pytest.mark.parametrize(
    ("kind", "language", "split", "message"),
    [
        ("pocket", "sw", "train", "the pocket world has no 'sw'; it has en, fr"),
        ("pocket", "en", "dev", f"no split 'dev'; it has {', '.join(SPLITS)}"),
        ("pocket-parallel", "sw", "unlabelled", "the pocket world has no 'sw'"),
    ],
)
def test_what_it_has_not(kind: str, language: str, split: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(language, split, kind)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("pocket", {"size": 0}),
        ("pocket", {"bilingual": 1.5}),
        ("pocket-parallel", {"max_sentences": SHORTEST_DOCUMENT + 1}),
        ("pocket-parallel", {"max_sentences": 0}),
    ],
)
def test_wrong_options(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match=next(iter(options))):
        read("en", kind=kind, **options)
