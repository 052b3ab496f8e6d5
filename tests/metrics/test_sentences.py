from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.core.registry import InputError
from xlgen.metrics.sentences import SentenceRule, sentences

TABLE: list[tuple[SentenceRule, str, str, list[str]]] = [
    ("newline", "en", "One. Two.\nThree", ["One. Two.", "Three"]),
    ("newline", "en", "one\r\u2028two\n", ["one\r\u2028two", ""]),
    ("t5", "en", "one . two .\nthree.", ["one .", "two .", "three."]),
    ("marks", "en", "One. Two? Three!\nFour", ["One.", " Two?", " Three!", "\n", "Four"]),
    ("marks", "en", "It costs 3.5 at a.b.com… so.", ["It costs 3.5 at a.b.com…", " so."]),
    ("marks", "en", 'He said "No." (Yes.) Then', ['He said "No."', " (Yes.)", " Then"]),
    ("marks", "zh", "猫在睡。“狗呢？”跑了！", ["猫在睡。", "“狗呢？”", "跑了！", ""]),
    ("marks", "ja", "猫だ｡犬だ。", ["猫だ｡", "犬だ。", ""]),
    ("marks", "ar", "من أنت؟ أنا هنا.", ["من أنت؟", " أنا هنا."]),
    ("marks", "hi", "बच्चे सोते हैं। घर है॥", ["बच्चे सोते हैं।", " घर है॥", ""]),
    ("marks", "am", "ቤት ነው። ውሃ", ["ቤት ነው።", " ውሃ"]),
    ("marks", "th", "เด็กไปโรงเรียน กลับบ้าน\nนอน", ["เด็กไปโรงเรียน", "กลับบ้าน", "นอน"]),
    ("marks", "ru", "", [""]),
]


@pytest.mark.parametrize(("rule", "language", "text", "expected"), TABLE)
def test_table(rule: SentenceRule, language: str, text: str, expected: list[str]) -> None:
    assert sentences(rule, language)(text) == expected


@given(st.text("ab .。!?؟।…\"'”)\n\ud800"))
def test_no_character_is_lost(text: str) -> None:
    assert "".join(sentences("marks", "en")(text)) == text
    assert "\n".join(sentences("newline", "en")(text)) == text


@pytest.mark.parametrize("name", ["arb", "hin", "zho-CN", "jpn", "rus", "eng", "ell"])
def test_most_lines_of_real_text_are_one_sentence(shared: Callable[[str], Path], name: str) -> None:
    """A line of NTREX-128 is a sentence, and each document's first line a headline."""
    code = {"zho-CN": "zh"}.get(name, name)
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:1000]
    found = [sum(map(bool, map(str.strip, sentences("marks", code)(line)))) for line in lines]
    assert sum(count == 1 for count in found) > 800
    # The same lines as one text come apart again, but for those that end in no mark.
    joined = sentences("marks", code)(" ".join(lines))
    assert sum(map(bool, map(str.strip, joined))) > 850


def test_a_wrong_rule_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown sentence rule 'newlines'.*newline"):
        sentences("newlines", "en")  # type: ignore[arg-type]
