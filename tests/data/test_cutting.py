"""Texts far over the limit: cut before they are tokenized, with the result that the whole text would give."""

import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from xlgen.backbones.base import Backbone
from xlgen.core.delimited import LONGEST
from xlgen.core.yaml_config import RecipeError
from xlgen.data.cutting import LEAST, MOST_WORDS, characters, cut
from xlgen.data.examples import LabelledExample, is_blank
from xlgen.data.readers import DataError, readers
from xlgen.data.readers.files import parse_object
from xlgen.data.tasks import load_task

SENTENCES = {
    "en": "The mayor opened a new library in Cairo on Monday. ",
    "th": "นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่ในกรุงเทพฯ วันจันทร์",
    "zh": "市长星期一在北京开放了一座新图书馆。",
    "ar": "افتتح رئيس البلدية مكتبة جديدة في القاهرة يوم الاثنين. ",
}
LIMIT = 64


def example(text: str, croppable: tuple[int, int] | None = None, **more: Any) -> LabelledExample:
    return LabelledExample("0", "en", text, ("x",), "here", croppable, **more)


@pytest.mark.spread(3)
@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize("name", ["mt5", "mbart"])
def test_the_ids_are_those_of_the_whole_text(backbone_of: Callable[[str], Backbone], name: str, code: str) -> None:
    backbone = backbone_of(name)
    body = SENTENCES[code] * (3 * LEAST // len(SENTENCES[code]))
    for before, after in (("", ""), ("question: why? context: ", " ?")):
        whole = example(before + body + after, (len(before), len(before) + len(body)))
        short = cut(whole, LIMIT, LIMIT)
        assert len(short.source) < LEAST + 100 < len(whole.source)
        ids, cropped = backbone.encode_source(short, LIMIT)
        all_ids, all_cropped = backbone.encode_source(whole, LIMIT)
        assert ids == all_ids
        assert cropped == pytest.approx(all_cropped, rel=0.05)


def test_what_fits_is_not_touched() -> None:
    whole = example("x" * LEAST)
    assert cut(whole, LIMIT, LIMIT) is whole
    assert characters(100_000) == 6_400_000


def test_white_space_before_a_text_does_not_push_it_out(backbone_of: Callable[[str], Backbone]) -> None:
    short = cut(example(" " * 100_000 + SENTENCES["en"]), LIMIT, LIMIT)
    assert "library" in short.source
    assert backbone_of("mt5").encode_source(short, LIMIT)[0]


def test_labels_words_and_pairs_are_bounded_too() -> None:
    found = cut(replace(example("short", words=("w" * 10**6,), pair="p" * 10**6), targets=("t" * 10**6,)), LIMIT, LIMIT)
    assert max(map(len, (*found.words, *found.targets, found.pair or ""))) == LEAST
    with pytest.raises(DataError, match="words; the maximum is"):
        cut(example("x", words=("w",) * (MOST_WORDS + 1)), LIMIT, LIMIT)


@pytest.mark.parametrize("text", [" " * 10**6, "\u200b" * 10**6, "\u200b \ufeff\n" * 10**5])
def test_a_long_blank_text_is_blank(text: str) -> None:
    assert is_blank(text)
    assert not is_blank(text + "x")


def task_file(folder: Path, line: str) -> str:
    (folder / "test.en.jsonl").write_text(line + "\n", encoding="utf-8")
    file = folder / "task.yaml"
    file.write_text(
        "reader: {name: jsonl, path: 'test.{language}.jsonl'}\nlanguages: [en]\nsource: '{text}'\ntarget: title\n"
        "metrics: [rougeL]\nmain_metric: rougeL\nmax_source_tokens: 256\n"
    )
    return str(file)


def test_a_line_of_20_mb_takes_seconds_and_little_memory(
    backbone_of: Callable[[str], Backbone], tmp_path: Path
) -> None:
    text = SENTENCES["en"] * (20 * 2**20 // len(SENTENCES["en"]))
    task = load_task(task_file(tmp_path, json.dumps({"text": text, "title": "x"})), tmp_path)
    backbone, started = backbone_of("mt5"), time.monotonic()
    (found,) = task.examples("en", "test")
    tracemalloc.start()
    backbone.cache_tokens([found.source])
    ids, cropped = backbone.encode_source(found, 256)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(ids) == 256 and cropped > 10**6
    assert time.monotonic() - started < 10
    assert peak < 20 * 2**20


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[" * 200_000, "levels deep"),
        ('{"a": ' * 100 + "1" + "}" * 100, "levels deep"),
        ('{"text": "x", "title": "y", "n": ' + "9" * 5_000 + "}", "cannot be read"),
        ('{"text": "\\ud800", "title": "y"}', "cannot be read"),
        ('{"text": "x", "title": "\\udfff y"}', "cannot be read"),
        ("3", "must be a JSON object"),
        ('{"text": ' + "1" * 4_000 + "}", "must be text"),
        ('{"text": 1e999, "title": "y"}', "must be text"),
    ],
    ids=["deep list", "deep objects", "digits", "surrogate", "surrogate in label", "number", "number field", "inf"],
)
def test_lines_that_no_task_can_read(tmp_path: Path, line: str, said: str) -> None:
    task = load_task(task_file(tmp_path, line), tmp_path)
    with pytest.raises(DataError, match=rf"test\.en\.jsonl, line 1.*{said}"):
        task.examples("en", "test")


def test_surrogate_pairs_are_characters() -> None:
    assert parse_object('{"a": "\\ud83d\\ude00"}', "here") == {"a": "😀"}


def test_a_line_over_the_limit_is_named(tmp_path: Path) -> None:
    with (tmp_path / "x.txt").open("wb") as file:
        file.write(b"fine\n")
        file.truncate(LONGEST + 100)
    reader = readers.get("lines")(readers.get("lines").Options(path="x.txt"), tmp_path)
    with pytest.raises(DataError, match=r"x\.txt, line 2 is longer than 64 MiB"):
        list(reader.read("en", "test"))


@pytest.mark.parametrize("reader", ["csv", "tsv", "tagged"])
@pytest.mark.parametrize("separator", ["", "\n", '"', "\0", "x" * 17, "a\r"])
def test_what_cannot_separate_fields(tmp_path: Path, reader: str, separator: str) -> None:
    from xlgen.data.readers import readers

    with pytest.raises(RecipeError, match="separator"):
        readers.build({"name": reader, "path": "x", "separator": separator}, tmp_path)


@pytest.mark.parametrize("columns", [["a", "a"], ["", "b"]])
def test_columns_of_one_name(tmp_path: Path, columns: list[str]) -> None:
    from xlgen.data.readers import readers

    with pytest.raises(RecipeError, match="each column needs a unique name"):
        readers.build({"name": "tsv", "path": "x", "columns": columns}, tmp_path)
