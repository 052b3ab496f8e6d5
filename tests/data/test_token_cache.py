"""Token ids from the cache are those of the tokenizer, whatever became of the files."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from xlgen.backbones.base import Backbone
from xlgen.data import token_cache
from xlgen.data.token_cache import cache_folder, pieces_of

TEXTS = [
    "The mayor opened a school.",
    "",
    "นายกเทศมนตรีเปิดโรงเรียน",
    "افتتح العمدة مدرسة",
    "市长开了一所学校。",
    "é é",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that keeps even little."""
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path))
    monkeypatch.setattr(token_cache, "_WORTH_KEEPING", 10)
    return tmp_path / "pieces"


@pytest.fixture
def tokenizer(backbone_of: Callable[[str], Backbone]) -> Any:
    return backbone_of("mt5").text


def ids(texts: list[str], tokenizer: Any) -> list[list[int]]:
    return [found.tolist() for found in pieces_of(texts, tokenizer)]


class Counted:
    """A tokenizer that counts the texts it is given."""

    def __init__(self, tokenizer: Any) -> None:
        self.tokenizer, self.texts = tokenizer, 0
        self.fingerprint = tokenizer.fingerprint

    def tokenize(self, texts: list[str]) -> list[list[int]]:
        self.texts += len(texts)
        found: list[list[int]] = self.tokenizer.tokenize(texts)
        return found


def test_they_are_the_tokenizers_and_made_once(folder: Path, any_backbone: Backbone) -> None:
    tokenizer = any_backbone.tokenizer
    texts = TEXTS * 400
    wanted = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts]
    counted = Counted(any_backbone.text)
    for _ in range(2):
        assert ids(texts, counted) == wanted
    assert counted.texts == len(texts)
    assert len(list(folder.iterdir())) == 1


def test_other_texts_and_other_tokenizers_have_files_of_their_own(
    folder: Path, backbone_of: Callable[[str], Backbone]
) -> None:
    texts = TEXTS[:5]
    cases = [(texts, "mt5"), (texts[:-1], "mt5"), (texts[::-1], "mt5"), (["".join(texts)], "mt5"), (texts, "mbart")]
    for case, name in cases:
        pieces_of(case, backbone_of(name).text)
    assert len(list(folder.iterdir())) == len(cases)


@pytest.mark.parametrize("damage", ["empty", "cut", "other", "pickle", "lengths"])
def test_damaged_files_are_made_again(
    folder: Path, tokenizer: Any, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    wanted = ids(TEXTS[:5], tokenizer)
    (path,) = folder.iterdir()
    whole = np.load(path)
    if damage == "empty":
        path.write_bytes(b"")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-7])
    elif damage == "other":
        np.save(path, whole.astype(np.int64))
    elif damage == "pickle":
        np.save(path, np.array([{"a": 1}]), allow_pickle=True)
    else:
        np.save(path, np.concatenate([[3], whole[1:]]).astype(np.int32))
    with caplog.at_level(logging.WARNING):
        assert ids(TEXTS[:5], tokenizer) == wanted
    assert "created again" in caplog.text
    assert np.array_equal(np.load(path), whole)


def test_a_cache_that_cannot_be_written_costs_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: Any, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path / "file"))
    wanted = ids(TEXTS[:5], tokenizer)
    monkeypatch.setattr(token_cache, "_WORTH_KEEPING", 10)
    with caplog.at_level(logging.WARNING):
        assert ids(TEXTS[:5], tokenizer) == wanted
    assert "not cached" in caplog.text


def test_what_was_not_used_for_longest_goes(folder: Path, tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(4):
        pieces_of([*TEXTS[:5], str(number)], tokenizer)
        newest = max(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        os.utime(newest, (1_000 + number, 1_000 + number))
    pieces_of([*TEXTS[:5], "0"], tokenizer)  # used again
    size = max(path.stat().st_size for path in folder.iterdir())
    monkeypatch.setattr(token_cache, "_LARGEST_CACHE", 3 * size)
    pieces_of([*TEXTS[:5], "4"], tokenizer)
    counted = Counted(tokenizer)
    assert len(list(folder.iterdir())) == 3
    for number in (0, 3, 4):
        pieces_of([*TEXTS[:5], str(number)], counted)
    assert counted.texts == 0


def test_little_text_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: Any) -> None:
    monkeypatch.setenv("XLGEN_CACHE", str(tmp_path))
    assert ids([], tokenizer) == []
    assert len(ids(TEXTS[:5], tokenizer)) == 5
    assert not list(tmp_path.iterdir())


def test_where_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XLGEN_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")
    assert cache_folder() == Path("/caches/xlgen")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "xlgen"


def test_a_backbone_knows_what_it_learned(any_backbone: Backbone) -> None:
    wanted = {text: any_backbone.tokenize(text) for text in TEXTS}
    any_backbone.cache_tokens([*wanted, *wanted])
    any_backbone.cache_tokens(wanted)
    whole, any_backbone.tokenizer = any_backbone.tokenizer, None
    assert {text: any_backbone.tokenize(text) for text in wanted} == wanted
    any_backbone.tokenizer = whole
    assert any_backbone.tokenize("something else") == whole("something else", add_special_tokens=False)["input_ids"]
