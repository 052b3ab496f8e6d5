import math

import numpy as np
import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.faults import find, label_rows
from xlgen.metrics.script_rate import ScriptRate
from xlgen.metrics.scripts import share_in_script

RIGHT = [
    ("zh", "市长星期一开放了新的图书馆，孩子们都很高兴。"),
    ("zh-Hant", "市長星期一開放了新的圖書館，孩子們都很高興。"),
    ("zh-Hant", "中山大道上的人"),  # characters of both writings
    ("zh", "中山大道上的人"),
    ("sr", "Градоначелник је у понедељак отворио нову библиотеку и деца су била веома срећна."),
    ("sr-Latn", "Gradonačelnik je u ponedeljak otvorio novu biblioteku i deca su bila veoma srećna."),
    ("hi", "महापौर ने सोमवार को शहर में एक नया पुस्तकालय खोला और बच्चे बहुत खुश हुए।"),
    ("ja", "市長は月曜日に町の新しい図書館を開き、子どもたちはとても喜んだ。"),
    ("ko", "시장은 월요일에 새 도서관을 열었고 아이들은 매우 기뻐했다."),
]
WRONG = [
    ("zh-Hant", "市长星期一开放了新的图书馆，孩子们都很高兴。"),
    ("zh", "市長星期一開放了新的圖書館，孩子們都很高興。"),
    ("sr", "Gradonačelnik je u ponedeljak otvorio novu biblioteku i deca su bila veoma srećna."),
    ("sr-Latn", "Градоначелник је у понедељак отворио нову библиотеку и деца су била веома срећна."),
    ("hi", "Mahapaur ne somvar ko shahar mein ek naya pustakalay khola aur bachche bahut khush hue."),
    ("hi", "Mera naam Rahul hai aur main yahan rehta hoon"),
]


@pytest.mark.parametrize(("code", "text"), RIGHT)
def test_text_in_the_script_of_its_language(code: str, text: str) -> None:
    assert ScriptRate().per_example([Example(code, text)])["script_rate"].tolist() == [1]
    assert "wrong-script" not in label_rows(find([Example(code, text)]))[0].labels


@pytest.mark.parametrize(("code", "text"), WRONG)
def test_text_in_another_script_of_its_language_is_a_fault_of_its_own(code: str, text: str) -> None:
    assert ScriptRate().per_example([Example(code, text)])["script_rate"].tolist() == [0]
    labels = label_rows(find([Example(code, text)]))[0].labels
    assert "wrong-script" in labels
    assert "ok" not in labels


def test_a_reference_may_be_in_another_script() -> None:
    found = label_rows(find([Example("hi", "NASA", ("NASA",)), Example("th", "YouTube", ("youtube",))]))
    assert [each.labels for each in found] == [("ok",), ("ok",)]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("hi", "yah ek accha din hai"),
        ("hi", "kya aap theek hain"),
        ("hi", "main aaj ghar par hoon aur khana bana raha hoon"),
        ("ur", "yeh aik acha din hai"),
        ("sr", "Dobar dan"),
        ("ru", "Privet, kak dela segodnya?"),
        ("el", "Kalimera, ti kaneis simera?"),
        ("ja", "Kyou wa tenki ga ii desu"),
        ("zh", "Jintian tianqi hen hao"),
        ("ar", "marhaban kayf halak alyawm"),
        ("th", "sawatdi khrap sabai di mai"),
        ("bn", "ami bangla valo kori"),
    ],
)
def test_romanised_text_is_in_the_wrong_script_whatever_identification_takes_it_for(code: str, text: str) -> None:
    assert "wrong-script" in label_rows(find([Example(code, text)]))[0].labels


@pytest.mark.parametrize("code", ["ru", "th", "hi", "zh", "ar", "ja", "ko"])
@pytest.mark.parametrize(
    "text", ["This is English text.", "the fire", "The house burned down.", "He was elected president of the country"]
)
def test_short_english_in_another_script_is_wrong_in_language_only(code: str, text: str) -> None:
    assert label_rows(find([Example(code, text)]))[0].labels == ("wrong-language",)


def test_chinese_characters_are_korean_next_to_hangul_only() -> None:
    assert share_in_script("東京都知事", "Hang") == 0
    assert share_in_script("美 대통령 訪韓", "Hang") == 1
    assert math.isnan(share_in_script("1990", "Hang"))


def test_english_in_another_script_is_wrong_in_language_only() -> None:
    english = "The mayor opened the new library of the town on Monday and the children were happy about it."
    for code in ("ru", "th", "hi", "zh", "ar"):
        assert label_rows(find([Example(code, english)]))[0].labels == ("wrong-language",)


def test_a_short_text_in_the_other_script_of_a_language_is_in_the_language() -> None:
    labels = label_rows(find([Example("sr", "gradonačelnik je otvorio biblioteku")]))[0].labels
    assert "wrong-script" in labels
    assert "wrong-language" not in labels


def test_addresses_and_names_among_syllables_do_not_decide() -> None:
    assert math.isnan(share_in_script("https://example.com", "Thai"))
    assert share_in_script("iPhone 사과폰 공개", "Hang") >= 0.5


def test_shares() -> None:
    assert math.isnan(share_in_script("1990 —", "Latn"))
    assert share_in_script("abвг", "Latn") == 0.5
    assert share_in_script("国國", "Hans") == 0.5
    np.testing.assert_array_equal(
        ScriptRate().per_example([Example("de", "1990"), Example("de", "")])["script_rate"], [np.nan, 0]
    )
