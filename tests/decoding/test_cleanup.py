"""Clean-up: leftovers go, a phrase repeated at the very end stays once, ordinary words are left alone."""

import re
import time
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.backbones.base import families
from xlgen.core.config import Cleanup
from xlgen.data.markup import token
from xlgen.decoding.cleanup import clean, remove_repeated_ending

SENTINELS = re.compile(r"<extra_id_\d+>")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a big fire a big fire", "a big fire"),
        ("It was a big fire a big fire a big fire", "It was a big fire"),
        ("a fire. a fire.", "a fire."),
        ("one two one two one two one two", "one two"),
        ("city city city city", "city"),
        ("so he said he said", "so he said"),
        ("10 people 10 people", "10 people"),
        ("в Москве в Москве", "в Москве"),
        ("في القاهرة في القاهرة", "في القاهرة"),
        ("काम काम काम", "काम"),
        # Scripts without spaces between words.
        ("ไฟไหม้ไฟไหม้", "ไฟไหม้"),
        ("นายกเทศมนตรี เปิดห้องสมุด เปิดห้องสมุด", "นายกเทศมนตรี เปิดห้องสมุด"),
        ("市长开放了图书馆图书馆图书馆", "市长开放了图书馆"),
        ("火灾很大。火灾很大。", "火灾很大。"),
        ("東京で開いた東京で開いた", "東京で開いた"),
        ("在Paris在Paris", "在Paris"),
        ("2020年2020年", "2020年"),
    ],
)
def test_a_repeated_ending_is_kept_once(text: str, expected: str) -> None:
    assert remove_repeated_ending(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a normal sentence.",
        "a big fire a big fire again",
        "banana",
        "bananana",
        "papa",
        "the Mississippi",
        "tartar",
        "murmur",
        "New York, York",
        "2020 20",
        "2020 2020",
        "10:30 10:30",
        "20 20 20",
        "ha ha",
        "no no",
        "!!! !!!",
        "看看",
        "谢谢",
        "我想看看",
        "学习学习",
        "高高兴兴",
        "人山人海",
        "いろいろ",
        "ときどき",
        "นานา",
        "ต่างๆ",
        "orang-orang",
        "1 000 000",
        "a a b a a",
    ],
)
def test_ordinary_endings_are_left_alone(text: str) -> None:
    assert remove_repeated_ending(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<extra_id_0> The mayor <extra_id_12>opened it", "The mayor opened it"),
        ("<extra_id_0>", ""),
        ("a  b\n c\u00a0d ", "a b c d"),
        ("a fire <extra_id_0> a fire", "a fire"),
        ("<extra<extra_id_0>_id_1>", "<extra _id_1>"),
    ],
)
def test_clean(text: str, expected: str) -> None:
    assert clean(text, SENTINELS) == expected


@pytest.mark.parametrize(("family", "leftover"), [("mt5", "<extra_id_7>"), ("mbart", "<sep>"), ("mbart", "<mask>")])
def test_each_family_knows_its_leftovers(family: str, leftover: str) -> None:
    mark = str if leftover == "<sep>" else token  # which is text to mBART-50, and no special token
    text = f"อะไร {mark(leftover)} ใหม่{mark(leftover)}"
    assert clean(text, families.get(family).leftover_pattern) == "อะไร ใหม่"


@pytest.mark.parametrize("family", ["mt5", "mbart", "nllb"])
def test_text_that_spells_a_leftover_stays(family: str) -> None:
    text = "was <s>100</s> <unk> <mask> <extra_id_0> fr_XX"
    assert clean(text, families.get(family).leftover_pattern) == text


ODD_TEXT = st.lists(
    st.sampled_from([*"ab1 .-火大กา้の", "fire", "<extra_id_0>", " a", "काम", "\u00a0"]), max_size=40
).map("".join)


@given(ODD_TEXT | st.text(max_size=60))
def test_laws(text: str) -> None:
    once = clean(text, SENTINELS)
    assert clean(once, SENTINELS) == once, "nothing is left to clean"
    kept = remove_repeated_ending(text)
    assert text.startswith(kept), "only the end goes"
    assert bool(kept.strip()) == bool(text.strip()), "never all of it"


@given(
    st.lists(st.sampled_from(["fire", "mayor", "мэр", "في", "2020", "काम"]), min_size=1, max_size=6, unique=True),
    st.integers(2, 6),
)
def test_any_phrase_of_words_ends_up_once(words: list[str], times: int) -> None:
    phrase = " ".join(words)
    if not any(char.isalpha() for char in phrase) or len(phrase) < 3:
        return
    if len(words) == 1 and times == 2:
        return  # a word that stands twice may be meant so
    found = remove_repeated_ending(" ".join([phrase] * times))
    assert phrase.startswith(found), "at most once"


@pytest.mark.parametrize(
    "text",
    [
        "火" * 10_000,
        "火" * 2_500 + "水" + "火" * 5_000,
        "火" * 5_001 + "水" + "火" * 4_998,
        "a " * 5_000,
        "ab" * 5_000,
        "ก า" * 3_333 + "x",
    ],
)
def test_long_texts_take_no_time(text: str) -> None:
    started = time.perf_counter()
    remove_repeated_ending(text)
    assert time.perf_counter() - started < 1


@pytest.mark.parametrize(
    ("cleanup", "expected"),
    [
        ("leftovers", "a fire a fire Bora Bora"),
        ("phrases", "a fire a fire Bora Bora"),
        ("substrings", "a fire a fire Bora"),
    ],
)
def test_the_recipe_says_what_goes(cleanup: Cleanup, expected: str) -> None:
    assert clean("a fire <extra_id_0> a fire Bora  Bora", SENTINELS, cleanup) == expected


def test_leftovers_alone_keep_repeated_endings() -> None:
    assert clean("a fire <extra_id_0> a fire", SENTINELS, "leftovers") == "a fire a fire"


def test_papers_recipes_clean_up_as_their_papers_do() -> None:
    papers = resources.files("xlgen") / "recipes" / "papers"
    texts = {file.name: file.read_text(encoding="utf-8") for file in papers.iterdir() if file.name.endswith(".yaml")}
    for name in ("v-table-10.yaml", "v-table-11.yaml", "v-table-8.yaml", "v-tables-2-7.yaml", "v-preliminary.yaml"):
        assert "cleanup: substrings" in texts[name], name
    for name in texts:
        if name.startswith(("c-", "l-")):
            assert "cleanup: leftovers" in texts[name], name
