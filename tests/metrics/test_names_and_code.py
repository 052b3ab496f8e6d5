"""Names, titles, code and entities among text of other scripts; foreign text that is short; quotations."""

import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.copies import is_copy
from xlgen.metrics.faults import find, label_rows


def labels(language: str, text: str, **more: str) -> tuple[str, ...]:
    (found,) = label_rows(find([Example(language, text, (), **more)]))
    return found.labels


@pytest.mark.parametrize(
    "text", ["Shirika hilo halikujibu mara moja", "Menga a frappé sept minutes", 'Kennedy röportajda, "Elbette,']
)
def test_short_foreign_text_is_not_english(text: str) -> None:
    assert labels("en", text) in (("unknown",), ("wrong-language",))


@pytest.mark.parametrize("text", ["The fire", "Super Bowl 50", "Whatever it is", "He was elected in 1990"])
def test_short_english_is(text: str) -> None:
    assert labels("en", text) == ("ok",)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("zh", "会议于2021/03/05在北京召开。"),
        ("ja", "会議は2021/3/5に東京で開かれた。"),
        ("ja", "変数user_nameに名前を代入します。"),
        ("ja", "東京/大阪/名古屋の三都市で開催"),
        ("zh", "#东京奥运会今天正式开幕"),
        ("zh", "苹果/香蕉/橙子都是水果"),
        ("th", "ตัวแปรuser_nameใช้เก็บชื่อผู้ใช้"),
    ],
)
def test_paths_hashtags_and_identifiers_end_at_letters_without_spaces(language: str, text: str) -> None:
    assert labels(language, text) == ("ok",)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("ru", "на YouTube"),
        ("ar", "فتح طلب دمج (pull request)"),
        ("zh", "Microsoft公司"),
        ("ja", "Googleの親会社Alphabet"),
        ("ja", "国連（United Nations）は発表した。"),
        ("ar", "شركة Microsoft"),
        ("hi", "Google में"),
        ("ko", "삼성 Galaxy S24"),
        ("ru", "Фильм «The Dark Side of the Moon» вышел в 1973 году."),
        ("ru", "Игра получила премию Game of the Year в этом году."),
        ("ja", "彼はUniversity of the Artsで学んだ。"),
        ("fa", "maintainerهایی که هستند"),
    ],
)
def test_names_glosses_and_titles_in_latin_letters(language: str, text: str) -> None:
    assert labels(language, text) == ("ok",)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("fr", "Apprendre &agrave; dire non"),
        ("es", "C&oacute;mo enviar una contribuci&oacute;n"),
        ("es", "Mant&eacute;n una conversaci&#243;n p&uacute;blica con la comunidad &amp; responde r&#xE1;pido."),
    ],
)
def test_entities_are_the_letters_that_they_stand_for(language: str, text: str) -> None:
    assert labels(language, text) == ("ok",)


def test_chinese_within_korean_and_for_japanese() -> None:
    assert labels("ko", "대통령은 경제가 快速增长 하고 있다고 말했다") == ("code-switched",)
    assert labels("ko", "시장은 大學 도서관을 열었다") == ("ok",)
    assert labels("ko", "大韓民國 헌법은 1948년에 제정되었다.") == ("ok",)
    long = "霍莉·威洛比（Holly Willoughby）退出价值1100 万英镑交易后，她表示很高兴。"
    assert labels("ja", long) == ("wrong-language",)
    assert labels("ja", "東京都千代田区永田町の国立国会図書館") == ("ok",)


@pytest.mark.parametrize(
    ("language", "text"), [("fr", "π"), ("de", "α"), ("zh", "B"), ("el", "x = 5"), ("ru", "a+b=c")]
)
def test_single_letters_are_in_no_language(language: str, text: str) -> None:
    assert labels(language, text) == ("unknown",)


def test_romanian_is_no_english() -> None:
    text = "Conform sursei, noul acord ar include și un plan general de investiții, regim islamic sub conducerea lui."
    assert "code-switched" not in labels("ro", text)


def test_a_name_quoted_from_an_input_in_the_language_is_right() -> None:
    whole = "Компания Microsoft была основана в 1975 году в городе Альбукерке Биллом Гейтсом и Полом Алленом."
    assert labels("ru", "Microsoft", input=whole) == ("ok",)
    assert "wrong-script" in labels("ru", "Microsoft")


def test_a_short_answer_is_no_copy_where_no_spaces_separate_words() -> None:
    thai = "ทีมนิวอิงแลนด์แพทริออตส์ชนะการแข่งขันซูเปอร์โบวล์เมื่อปีที่แล้วอย่างเหนือความคาดหมายของแฟน ๆ ทั่วโลก"
    assert not is_copy("นิวอิงแลนด์แพทริออตส์", thai)
    assert is_copy(thai[:90], thai)
    chinese = "新英格兰爱国者队去年在超级碗比赛中出人意料地获得了冠军，全世界的球迷都为之欢呼雀跃。"
    assert not is_copy("新英格兰爱国者队去年在超级碗", chinese)
    assert is_copy(chinese[:38], chinese)
