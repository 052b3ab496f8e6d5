import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from xlgen.core.registry import InputError
from xlgen.metrics.words import splitter

TABLE = [
    ("zh", "jieba", "孩子们早上去学校，很晚才回家。２０２３年Hello", "孩子 们 早上 去 学校 很晚 才 回家 2023 年 hello"),
    ("ja", "fugashi", "子どもたちは朝、学校へ行った。", "子ども たち は 朝 学校 へ 行っ た"),
    ("th", "newmm", "เด็กไปโรงเรียนตอนเช้า และกลับบ้าน 15 iPhone", "เด็ก ไป โรงเรียน ตอนเช้า และ กลับบ้าน 15 iphone"),
]
PACKAGES = {"zh": "jieba", "ja": "fugashi", "th": "pythainlp"}


@pytest.mark.parametrize(("code", "name", "text", "expected"), TABLE)
def test_words(code: str, name: str, text: str, expected: str) -> None:
    pytest.importorskip(PACKAGES[code], reason="the extra segmenters is not installed")
    found = splitter(code, "dictionary")
    assert found.split(text) == expected.split()
    assert found.name.startswith(f"{name}-")
    assert splitter(code).name == "unicode-chars"  # not the default, whatever is installed


@pytest.mark.parametrize(("code", "name"), [("zh", "zho-CN"), ("ja", "jpn"), ("th", "tha")])
def test_no_letter_of_real_text_is_lost(shared: Callable[[str], Path], code: str, name: str) -> None:
    pytest.importorskip(PACKAGES[code], reason="the extra segmenters is not installed")
    words, characters = splitter(code, "dictionary").split, splitter(code).split
    shorter = 0
    for line in shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:50]:
        letters = "".join(char for word in words(line) for char in word if char.isalnum())
        assert letters == "".join(char for word in characters(line) for char in word if char.isalnum())
        shorter += len(words(line)) < len(characters(line))
    assert shorter > 45


@pytest.mark.parametrize("code", ["zh", "ja", "th"])
def test_any_string_is_read(code: str) -> None:
    pytest.importorskip(PACKAGES[code], reason="the extra segmenters is not installed")
    split = splitter(code, "dictionary").split
    assert [split(text) for text in ("", "\n", "\ud800", "\x00", "。", " \u200f")] == [[]] * 6
    assert "".join(split("a" * 10_000)) == "a" * 10_000


def test_other_languages_have_no_dictionary() -> None:
    assert splitter("fr", "dictionary") == splitter("fr")
    assert splitter("lo", "dictionary") == splitter("lo")


def test_a_missing_package_is_named() -> None:
    script = (
        "import sys; sys.modules['jieba'] = None\n"
        "from xlgen.metrics.words import splitter\n"
        "try: splitter('zh', 'dictionary')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("MissingExtraError segmenter 'dictionary' needs jieba, which is not installed: pip")


def test_a_wrong_segmenter_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="unknown segmenter 'dict'"):
        splitter("zh", "dict")  # type: ignore[arg-type]
