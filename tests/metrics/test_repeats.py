import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.metrics.repeats import remove_repeated_ending, remove_repeated_substring, repetitions, split_units


@pytest.mark.parametrize(
    "text",
    [
        "he said he said he said that",
        "ha ha ha ha ha no",
        "в Москве в Москве в Москве и ещё",
        "काम काम काम किया",
        "في القاهرة في القاهرة في القاهرة وأيضا",
        "ไฟไหม้ไฟไหม้ไฟไหม้แล้ว",
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


@pytest.mark.exhaustive
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


@pytest.mark.exhaustive
def test_a_megabyte_of_any_text_is_read() -> None:
    chance = random.Random(0)
    text = "".join(chr(chance.randrange(0x4E00, 0x4E80)) for _ in range(300_000))
    assert not repetitions(text)[1]
    assert remove_repeated_ending(text) == text
    # More distinct units than there are characters to stand for them.
    assert len(split_units(" ".join(map(str, range(1_120_000)))).code) == 1_120_000


@pytest.mark.parametrize(
    "text",
    [
        *("Bora Bora", "in Walla Walla", "धीरे धीरे", "वह धीरे धीरे", "wiki wiki", "yavaş yavaş", "pelan pelan"),
        *("барь барь", "sürgit sürgit", "بار بار", "மெல்ல மெல்ல", "ধীরে ধীরে", "kira kira"),
    ],
)
def test_a_word_that_stands_twice_is_kept_and_no_fault(text: str) -> None:
    assert remove_repeated_ending(text) == text
    assert repetitions(text) == (False, False)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Bora Bora", "Bora"),
        ("the fire the fire the fi", "the fire the fi"),
        ("a big fire a big fire", "a big fire"),
        ("hahahahahaha", "hahaha"),
        ("x abcabcabc", "x abc"),
        ("ไฟไหม้ไฟไหม้ไฟไหม้", "ไฟไหม้"),
        ("coffee", "coffee"),
        ("100 1000", "100 1000"),
        ("", ""),
    ],
)
def test_vu_et_al_keep_any_substring_once(text: str, kept: str) -> None:
    assert remove_repeated_substring(text) == kept


@pytest.mark.parametrize(
    "text",
    [
        "The park has 1 tree. The park has 2 trees. The park has 3 trees. The park has 4 trees.",
        "the fire in the city, the big fire in the city, the fire in the old city, the fire in the city was big",
        "В городе открыли 1 парк. В городе открыли 2 парка. В городе открыли 3 парка. Все рады.",
        "मेयर ने कहा कि वह आएंगे। मेयर ने कहा कि वह जाएंगे। मेयर ने कहा कि वह रहेंगे। मेयर ने कहा कि वह सोएंगे।",
        "市长说他明天会来。市长说他明天会走。市长说他明天会说。市长说他明天会睡。",
        "市長は明日来ると言った。市長は明日行くと言った。市長は明日寝ると言った。",
        "นายกเทศมนตรีบอกว่าจะมา นายกเทศมนตรีบอกว่าจะไป นายกเทศมนตรีบอกว่าจะอยู่ นายกเทศมนตรีบอกว่าจะนอน",
        "قال العمدة إنه سيأتي غدا. قال العمدة إنه سيذهب غدا. قال العمدة إنه سيبقى غدا. وهكذا.",
        "hahahahahahahahahahahahahaha he said",
        "and then he went to the big house and then he went to the old house and then he went to the new house and then"
        " he went to the red house and so on",
    ],
)
def test_near_repeats_with_small_changes_are_loops(text: str) -> None:
    assert repetitions(text) == (False, True)


def test_a_mark_at_the_end_hides_no_repeated_ending() -> None:
    assert repetitions("市长开放了图书馆图书馆图书馆。") == (True, False)
    assert repetitions("They went to a big fire a big fire.") == (True, False)
    assert repetitions("It was Bora Bora.") == (False, False)


@pytest.mark.parametrize(
    "text",
    [
        "1. The fire burned. 2. The fire burned. 3. The fire burned.",
        "(1) Punkt eins (2) Punkt eins (3) Punkt eins (4) Punkt eins",
        "a) the cat b) the cat c) the cat",
        "The fire burned. the fire burned! THE FIRE BURNED?",
        "The fire burned, the fire burned.",
        "огонь горел, Огонь горел, огонь горел!",
        "今天天气很好，今天天气很好，今天天气很好。",
        "今天天气很好，明天天气很好，后天天气很好，昨天天气很好。",
        "Der Hund läuft schnell. Der Hund läuft langsam. Der Hund läuft heute. Der Hund läuft gern.",
        "สุนัขวิ่งเร็วมาก สุนัขวิ่งช้ามาก สุนัขวิ่งดีมาก สุนัขวิ่งไกลมาก",
    ],
)
def test_case_punctuation_and_list_numbers_hide_no_repetition(text: str) -> None:
    assert any(repetitions(text))


@pytest.mark.parametrize(
    "text",
    [
        "Never again, never again!",
        "No, no, no, no.",
        "Bora Bora",
        "The cat sat. The dog ran. The bird flew.",
        "1. Bread 2. Milk 3. Cheese 4. Eggs",
    ],
)
def test_what_people_write_twice_is_no_repetition(text: str) -> None:
    assert not any(repetitions(text))


def test_human_text_holds_hardly_any_loop(shared: Callable[[str], Path]) -> None:
    for name in ("eng", "deu", "rus", "hin", "zho-CN", "tha", "arb", "jpn"):
        lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")
        texts = [" ".join(" ".join(lines[i : i + 8]).split()) for i in range(0, 1990, 24)]
        assert sum(any(repetitions(text)) for text in texts) <= 0.01 * len(texts), name


ENDLESS = [
    "2018, " * 30,
    "!" * 3_000,
    ", . " * 500,
    "12. 5. 2018 | " * 40,
    "2018,2018," * 20,
    "1 " * 20,
    "٣ " * 30,
    "。" * 90,
]


@pytest.mark.parametrize("text", ENDLESS)
def test_numbers_and_marks_are_a_loop_from_twenty_times_on_wherever_they_are(text: str) -> None:
    for whole in (text.strip(), f"Es brannte {text}", f"Es brannte {text} und das Feuer", f"在{text}年"):
        assert repetitions(whole)[1], whole[:40]


def test_numbers_and_marks_that_end_a_text_are_cut() -> None:
    assert remove_repeated_ending("im Jahr " + "2018, " * 30) == "im Jahr 2018,"
    assert remove_repeated_ending(", . " * 500) == ", ."
    assert repetitions("im Jahr " + "2018, " * 30) == (True, True)
    assert remove_repeated_ending("1 " * 19) == "1 " * 19


@pytest.mark.parametrize(
    "text",
    [
        "ZeitZeitZeitZeitZeitZeit",
        "die DasDasDasDasDas ist",
        "no-no-no-no-no-no-no-no-no-no",
        "ja_ja_ja_ja_ja_ja_ja_ja_ja_ja, sagte er",
        "ZeitzeitZeitzeitZeitzeit",
        "의" * 13,
        f"이것은 {'의' * 13} 그렇다",
        "시간시간시간시간시간 동안",
        "ሰላምሰላምሰላምሰላምሰላም",
        "नदीनदीनदीनदीनदी",
        "времявремявремявремявремя",
    ],
)
def test_words_written_together_again_and_again_are_a_loop(text: str) -> None:
    assert repetitions(text) == (False, True)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "Noooooooooooooo!",
            "ㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋㅋ",
            "hahahahahaha",
            "ha-ha-ha-ha-ha-ha",
            "la-la-la-la-la-la-la",
            "हाहाहाहाहा",
        ),
        *(
            "-" * 12,
            "." * 19,
            "1,000,000,000,000,000,000",
            "bananananananana",
            "하하하하하",
            "Wörterbuchwörterbuch",
            "1 " * 19,
        ),
    ],
)
def test_what_people_write_together_is_no_loop(text: str) -> None:
    assert not any(repetitions(text))


DOUBLED = [
    "ひとりひとり",
    "ゆっくりゆっくり",
    "少しずつ少しずつ",
    "とてもとても",
    "コーヒーコーヒー",
    "彼はゆっくりゆっくり",
]


@pytest.mark.parametrize("text", DOUBLED)
def test_japanese_that_is_meant_twice_is_kept_and_no_fault(text: str) -> None:
    assert remove_repeated_ending(text) == text
    assert repetitions(text) == repetitions(f"{text}。") == (False, False)


@pytest.mark.parametrize("times", range(3, 9))
def test_japanese_three_times_or_more_is_kept_once(times: int) -> None:
    assert remove_repeated_ending("彼は" + "ゆっくり" * times) == "彼はゆっくり"
    assert remove_repeated_ending("はいはい" * times) == "はい"
    assert repetitions("ゆっくり" * times)[0]


def test_a_longer_phrase_or_one_without_kana_is_a_repetition_in_japanese_too() -> None:
    assert remove_repeated_ending("東京で開いた東京で開いた") == "東京で開いた"
    assert remove_repeated_ending("图书馆图书馆") == "图书馆"
    assert remove_repeated_ending("彼はゆっくりゆっくり彼はゆっくりゆっくり") == "彼はゆっくりゆっくり"
    assert remove_repeated_substring("ゆっくりゆっくり") == "ゆっくり"
