import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.metrics.repeats import remove_repeated_ending, repetitions, split_units


@pytest.mark.parametrize(
    "text",
    [
        "he said he said he said that",
        "ha ha ha ha ha no",
        "в Москве в Москве в Москве и ещё",
        "काम काम काम किया",
        "في القاهرة في القاهرة في القاهرة وأيضا",
        "ไฟไหม้ไฟไหม้ไฟไหม้แล้ว",
        "市长开放了图书馆图书馆图书馆。",
        "東京で開いた東京で開いた東京で開いたと言う",
        "一 two three一 two three一 two three 完",
        "火" * 10_000 + "水",
    ],
)
def test_loops(text: str) -> None:
    assert repetitions(text) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "he said he said that",
        "that he said he said he said",
        "no no no",
        "1 1 1 1 1 1 1 1 1 1 1 1",
        "- - - - - - - - - - - -",
        "哈哈哈",
        "bananananananana",
        "a b c a b d a b e",
        "the cat, the dog, the bird",
    ],
)
def test_what_is_no_loop(text: str) -> None:
    assert not repetitions(text)[1]


WORDS = st.sampled_from(["fire", "mayor", "мэр", "في", "काम", "ไฟ", "火", "2020"])
# None is in WORDS, and none three times makes a loop: what is around a phrase must not blur where it begins.
NAMES = st.sampled_from(["x", "y"])


@given(st.lists(NAMES, max_size=4), st.lists(WORDS, min_size=2, unique=True), st.integers(3, 5), st.lists(NAMES))
def test_a_phrase_three_times_is_a_loop_wherever_it_stands(
    before: list[str], phrase: list[str], times: int, after: list[str]
) -> None:
    assert repetitions(" ".join([*before, *phrase * times, *after, "end"])) == (False, True)


@given(st.lists(st.integers(), max_size=60, unique=True))
def test_words_that_all_differ_hold_no_loop(numbers: list[int]) -> None:
    text = " ".join(f"w{number}" for number in numbers)
    assert not repetitions(text)[1]
    assert remove_repeated_ending(text) == text


@given(st.text(max_size=80))
def test_units_stand_in_the_text_where_they_say(text: str) -> None:
    split = split_units(text)
    assert len(split.units) == len(split.ends) == len(split.code)
    for unit, end in zip(split.units, split.ends, strict=True):
        assert text[end - len(unit) : end] == unit


def test_a_megabyte_of_any_text_is_read() -> None:
    chance = random.Random(0)
    text = "".join(chr(chance.randrange(0x4E00, 0x4E80)) for _ in range(300_000))
    assert not repetitions(text)[1]
    assert remove_repeated_ending(text) == text
    # More distinct units than there are characters to stand for them.
    assert len(split_units(" ".join(map(str, range(1_120_000)))).code) == 1_120_000
