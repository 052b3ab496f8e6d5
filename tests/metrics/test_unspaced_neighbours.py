"""Letters without spaces, short outputs in another language of the script, and case: labels of whole outputs."""

import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.faults import find, label_rows
from xlgen.metrics.masking import mask
from xlgen.metrics.normalization import fold_case


def labels(language: str, text: str, *references: str) -> tuple[str, ...]:
    (found,) = label_rows(find([Example(language, text, references)]))
    return found.labels


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ja", "NHKとTBSが報道した。"),
        ("ja", "彼はEUとNATOの会議に出席した。"),
        ("ja", "iPhoneとiPadの両方を持っている。"),
        ("ja", "このルーターは802.11bとWi-Fi 6に対応しています。"),
        ("ja", "詳細はhttps://example.com/xをご覧ください。"),
        ("zh", "他毕业于MIT和UCLA两所大学。"),
        ("zh", "下载app后安装即可使用"),
        ("zh", "请联系the.boss@company.com获取更多信息。"),
        ("th", "เขาใช้iPhoneและiPadทุกวัน"),
        ("th", "ความเร็ว100km/hและน้ำหนัก5kg"),
    ],
)
def test_names_codes_and_addresses_amid_letters_without_spaces(language: str, text: str) -> None:
    assert labels(language, text) == ("ok",)


def test_addresses_end_where_letters_without_spaces_begin() -> None:
    assert mask("詳細はhttps://example.com/xをご覧ください").split() == ["詳細は", "をご覧ください"]
    assert mask("ติดต่อเราที่info@example.comได้ทุกวัน").split() == ["ติดต่อเราที่", "ได้ทุกวัน"]
    assert mask("请看@handle上的消息").split() == ["请看", "上的消息"]
    assert mask("Смотри https://ru.wikipedia.org/wiki/Кошка сейчас").split() == ["Смотри", "сейчас"]


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("uk", "Президент заявил в понедельник, что не уйдет в отставку."),  # Russian
        ("ru", "Президент заявив у понеділок, що не піде у відставку."),  # Ukrainian
        ("mr", "राष्ट्रपति ने सोमवार को कहा कि वे इस्तीफा नहीं देंगे।"),  # Hindi
        ("fa", "قال الرئيس يوم الاثنين إنه لن يستقيل من منصبه."),  # Arabic
        ("ko", "总统星期一表示他不会辞职。"),  # Chinese
    ],
)
def test_a_short_output_in_another_language_of_the_script_is_wrong(target: str, text: str) -> None:
    assert "wrong-language" in labels(target, text)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("uk", "Президент заявив у понеділок, що не піде у відставку."),
        ("ru", "Президент заявил в понедельник, что не уйдет в отставку."),
        ("hi", "राष्ट्रपति ने सोमवार को कहा कि वे इस्तीफा नहीं देंगे।"),
        ("el", "Καλημέρα"),
        ("th", "สวัสดี"),
        ("ko", "안녕하세요"),
    ],
)
def test_a_short_output_in_its_language_is_right(language: str, text: str) -> None:
    assert labels(language, text) == ("ok",)


@pytest.mark.parametrize(
    ("language", "text", "reference"),
    [
        ("tr", "Diyarbakır", "DİYARBAKIR"),
        ("tr", "İSTANBUL", "istanbul"),
        ("tr", "IRK", "ırk"),
        ("az", "İLİSU", "ilisu"),
        ("el", "ΑΘΗΝΑ", "Αθήνα".replace("ή", "η")),
        ("de", "STRASSE", "Straße"),
    ],
)
def test_a_reference_in_other_case_is_right(language: str, text: str, reference: str) -> None:
    assert labels(language, text, reference) == ("ok",)


def test_all_forms_of_i_are_one_letter() -> None:
    assert {fold_case(letter) for letter in "IiİıI"} == {"i"}


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("hi", "उन्होंने WhatsApp और Facebook पर संदेश भेजा।"),
        ("ru", "Он купил iPhone 15 Pro Max в Apple Store."),
        ("el", "Αγόρασε ένα iPhone 15 Pro Max στο Apple Store."),
    ],
)
def test_names_do_not_make_a_text_one_in_another_script(language: str, text: str) -> None:
    assert "wrong-script" not in labels(language, text)


@pytest.mark.parametrize("language", ["zh", "zh-Hant", "ko"])
@pytest.mark.parametrize(
    "text",
    [
        "東京都知事は辞任表明",
        "これは日本語です",
        "今日は天気がいいので、公園に行きました。",
        "今日はとても楽しい。" * 6,
    ],
)
def test_japanese_for_chinese_and_korean_is_wrong(language: str, text: str) -> None:
    assert "wrong-language" in labels(language, text)


@pytest.mark.parametrize(
    "text", ["学士学位", "3月", "6600万年", "静电力", "种族隔离学校", "芝加哥大学实验学校", "17 秒"]
)
def test_chinese_characters_that_japanese_has_too_are_no_evidence_of_japanese(text: str) -> None:
    assert labels("zh", text) == ("ok",)
    assert "wrong-language" in labels("ja", "我们都很高兴，谢谢你们。")


@pytest.mark.parametrize(
    "text", ["NATO", "EU", "HIV", "OK", "COVID", "COVID-19", "NASA ESA", "UNESCO", "G7, WHO", "U.S."]
)
@pytest.mark.parametrize("language", ["de", "sw", "ru", "th", "ja"])
def test_acronyms_are_in_every_language(language: str, text: str) -> None:
    assert labels(language, text) == ("unknown",)
    assert labels(language, text, text) == ("ok",)


@pytest.mark.parametrize("text", ["THE WHITE HOUSE", "KING OF SPAIN", "OK BOOMER"])
def test_english_in_capitals_is_no_acronym(text: str) -> None:
    assert labels("de", text) == ("wrong-language",)
