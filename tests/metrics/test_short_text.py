import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xlgen.core.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.lid import load_identifier
from xlgen.metrics.short_language_rate import ShortLanguageRate
from xlgen.metrics.short_text import CANNOT_TELL, RIGHT, RULE, WRONG, ShortText, is_short, stands_in, verdicts

TABLE = [
    ("1990", "de", CANNOT_TELL),
    ("—", "th", CANNOT_TELL),
    ("ทีมเดนเวอร์", "th", RIGHT),
    ("Denver Broncos", "th", WRONG),
    ("NFL ทีม", "th", CANNOT_TELL),
    ("東京", "ja", RIGHT),
    ("东京", "zh", RIGHT),
    ("الكنيسة", "ar", RIGHT),
    ("चर्च", "hi", RIGHT),
    ("церковь", "ru", RIGHT),
    ("the church", "ru", WRONG),
    ("die Kirche", "de", RIGHT),
    ("the church", "de", WRONG),
    ("Der Hund schläft", "fr", WRONG),
    ("Whatever it is", "en", RIGHT),
]


@pytest.mark.parametrize(("text", "code", "expected"), TABLE)
def test_table(text: str, code: str, expected: float) -> None:
    found = RULE.verdict(text, Language.parse(code), load_identifier())
    assert found == expected or (math.isnan(found) and math.isnan(expected))


def test_candidates_decide() -> None:
    rule = ShortText(others=("ja", "en"))
    assert rule.verdict("東京タワー", Language.parse("zh"), load_identifier()) == WRONG
    assert RULE.verdict("東京タワー", Language.parse("zh"), load_identifier()) == WRONG, "kana are no Chinese"
    assert math.isnan(RULE.verdict("東 qwrt zxcv", Language.parse("zh"), load_identifier()))


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("a b c d e f g h i j", True),
        ("a b c d e f g h i j k", False),
        ("中" * 20, True),
        ("中" * 21, False),
        ("", True),
    ],
)
def test_how_long_is_short(text: str, short: bool) -> None:
    assert is_short(text) is short


def test_quotations_of_the_input_are_right() -> None:
    whole = "Die Denver Broncos besiegten im Finale die Carolina Panthers und gewannen damit ihren dritten Titel."
    examples = [Example("de", "Denver Broncos", input=text) for text in (whole, whole.replace("Broncos", "Bronco"))]
    assert verdicts(examples, load_identifier(), RULE)[0] == RIGHT
    assert verdicts(examples, load_identifier(), RULE)[1] != RIGHT
    english = "The Denver Broncos defeated the Carolina Panthers in the final and so won their third title that year."
    assert verdicts([Example("de", "third title", input=english)], load_identifier(), RULE) == [WRONG]


@pytest.mark.parametrize(
    ("text", "whole", "there"),
    [("the", "other", False), ("Rhein", "am Rhein.", True), ("中国", "在中国人", True), ("(x", "a (x) b", True)],
)
def test_words_stand_whole(text: str, whole: str, there: bool) -> None:
    assert stands_in(text, whole) is there


def test_what_cannot_be_told_is_counted_apart() -> None:
    found = ShortLanguageRate().per_example([Example("de", "1990"), Example("de", ""), Example("de", "die Kirche")])
    np.testing.assert_array_equal(found["short_language_rate"], [np.nan, 0, 1])
    assert found["cannot_tell_rate"].tolist() == [1, 0, 0]
    assert "wrong<0.7,on-top<0.5,right>=0.95" in ShortLanguageRate().signature("de")


def test_first_words_of_news(shared: Callable[[str], Path]) -> None:
    """Hardly any English passes as the target, and the target is called wrong about as often as by the top label."""
    lines = {
        name: shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:300]
        for name in ("eng", "deu", "spa")
    }
    cut = {name: [" ".join(line.split()[:3]) for line in text] for name, text in lines.items()}
    for name, code in (("deu", "de"), ("spa", "es")):
        own = np.array(verdicts([Example(code, text) for text in cut[name]], load_identifier(), RULE))
        foreign = np.array(verdicts([Example(code, text) for text in cut["eng"]], load_identifier(), RULE))
        assert (own == 0).mean() <= np.mean([top != code for top, _ in load_identifier().identify(cut[name])]) + 0.01
        assert (foreign == 1).mean() <= 0.01


@given(st.text(max_size=30), st.sampled_from(["fr", "th", "zh", "ar", "en", "pcm"]))
@settings(max_examples=100, deadline=None)
def test_any_text_has_a_verdict(text: str, code: str) -> None:
    found = RULE.verdict(text, Language.parse(code), load_identifier())
    assert found in (RIGHT, WRONG) or math.isnan(found)
