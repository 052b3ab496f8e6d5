import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.faults import find, label_rows
from xlgen.metrics.mlqa import Mlqa
from xlgen.metrics.normalization import Normalization, canonical, match_key, nmt_nfkc
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.squad import Squad
from xlgen.metrics.subset import no_digits_in_language

# As written by people, and as SentencePiece's nmt_nfkc writes it.
WRITTEN = [
    ("th", "นายกฯ ทำน้ำหก", unicodedata.normalize("NFKC", "นายกฯ ทำน้ำหก")),
    ("fa", "می‌رود به کتاب‌خانه", "می رود به کتاب خانه"),
    ("hi", "क़लम और फ़िल्म", "क़लम और फ़िल्म"),
    ("bn", "সময় ও হৃদয়", "সময় ও হৃদয়"),
    ("ja", "ＮＨＫのニュース", "NHKのニュース"),
    ("ko", "ﾊﾝ 한국어 ①", "ハン 한국어 1"),
    ("ar", "ﻣﺮﺣﺒﺎ ﷺ", "مرحبا صلى الله عليه وسلم"),
    ("si", "ශ්‍රී ලංකා", "ශ් රී ලංකා"),
    ("zh", "ＡＢＣ公司　成立", "ABC公司 成立"),
    ("vi", unicodedata.normalize("NFD", "Thành phố Hồ Chí Minh"), "Thành phố Hồ Chí Minh"),
    ("de", "ﬁnden\u200b wir½", "finden wir1⁄2"),
    ("ru", "Вол\u0301га\u00a0и\ufeff Дон", "Вол\u0301га и Дон"),
]


@pytest.mark.parametrize(("code", "text", "written"), WRITTEN)
def test_what_a_tokenizer_writes_scores_100_with_nmt_nfkc(code: str, text: str, written: str) -> None:
    assert nmt_nfkc(text) == nmt_nfkc(written)
    example = [Example(code, written, (text,))]
    for metric in (Squad(normalization="nmt_nfkc"), Mlqa(normalization="nmt_nfkc")):
        assert all(scores[0] == 1 for scores in metric.per_example(example).values()), metric
    assert Rouge(normalization="nmt_nfkc").per_example(example)["rougeL"][0] == 1


@pytest.mark.exhaustive
def test_equals_sentencepieces_rule_for_every_code_point_that_unicode_has_assigned() -> None:
    sentencepiece = pytest.importorskip("sentencepiece")
    rule = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    characters = [chr(code) for code in range(1, sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    assigned = [character for character in characters if unicodedata.category(character) != "Cn"]
    for character in assigned:
        text = f"a{character}b"
        assert nmt_nfkc(rule.normalize(text)) == nmt_nfkc(text), ascii(character)


@pytest.mark.spread(3)
@pytest.mark.parametrize("code", ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"])
def test_gold_answers_as_sentencepiece_writes_them_score_100(shared: Callable[[str], Path], code: str) -> None:
    import json

    sentencepiece = pytest.importorskip("sentencepiece")
    rule = sentencepiece.SentencePieceNormalizer(rule_name="nmt_nfkc")
    data = json.loads(shared(f"xquad/xquad.{code}.json").read_text(encoding="utf-8"))["data"]
    gold = [qa["answers"][0]["text"] for each in data for p in each["paragraphs"] for qa in p["qas"]]
    examples = [Example(code, rule.normalize(text), (text,)) for text in gold]
    for metric in (Squad(normalization="nmt_nfkc"), Mlqa(normalization="nmt_nfkc")):
        for scores in metric.per_example(examples).values():
            assert scores.mean() == 1
    if code in ("th", "hi"):
        assert Mlqa().per_example(examples)["mlqa_em"].mean() < 0.98, "the official rule has no normalization"


def test_the_form_is_part_of_the_signature_and_none_is_the_default() -> None:
    for metric in (Squad, Mlqa, Rouge):
        assert "unicode-norm" not in metric().signature("th")
        assert "|unicode-norm:nmt_nfkc" in metric(normalization="nmt_nfkc").signature("th")
        assert "|unicode-norm:nfc" in metric(normalization="nfc").signature("th")
    wrong: Normalization = "nfx"  # type: ignore[assignment]
    with pytest.raises(InputError, match="nfc"):
        Squad(normalization=wrong).per_example([Example("th", "a", ("a",))])


def test_nfd_vietnamese_equals_nfc_with_nfc() -> None:
    text = "Thành phố Hồ Chí Minh"
    example = [Example("vi", unicodedata.normalize("NFD", text), (text,))]
    assert Mlqa().per_example(example)["mlqa_em"][0] == 0
    assert Mlqa(normalization="nfc").per_example(example)["mlqa_em"][0] == 1


def test_bengali_yya_is_two_code_points_in_every_form() -> None:
    composed, decomposed = "সম\u09df", "সম\u09af\u09bc"
    assert canonical(composed) == canonical(decomposed) == decomposed
    assert Rouge().per_example([Example("bn", composed, (decomposed,))])["rouge1"][0] == 1
    assert Mlqa().per_example([Example("bn", composed, (decomposed,))])["mlqa_em"][0] == 0
    assert Mlqa(normalization="nfc").per_example([Example("bn", composed, (decomposed,))])["mlqa_em"][0] == 1


@pytest.mark.parametrize(
    ("code", "document"),
    [
        ("th", "นายกเทศมนตรีเปิดห้องสมุดแห่งใหม่ของเมืองเมื่อวันจันทร์และเด็กทำการบ้านกันทุกคำ"),
        (
            "vi",
            "Thị trưởng khai trương thư viện mới của thành phố vào thứ hai và trẻ em rất vui mừng về điều đó hôm nay.",
        ),
        ("fa", "شهردار روز دوشنبه کتاب‌خانه‌ی جدید شهر را گشود و بچه‌ها از این کار خیلی خوش‌حال شدند و می‌خواندند."),
        ("ja", "市長は月曜日に町の新しい図書館「ＮＨＫホール」を開き、子どもたちはとても喜んだという。"),
    ],
)
def test_a_copy_in_another_form_is_copied(code: str, document: str) -> None:
    for output in (nmt_nfkc(document), unicodedata.normalize("NFD", document)):
        assert "copied" in label_rows(find([Example(code, output, input=document)]))[0].labels


def test_a_quotation_in_another_form_is_quoted() -> None:
    document = "東京の放送局ＮＨＫは月曜日の夜、町の新しい図書館について長い番組を放送したと発表した。"
    [found] = label_rows(find([Example("ja", "NHK", input=document)]))
    assert "wrong-language" not in found.labels


def test_match_keys_pass_over_case_spaces_marks_and_forms() -> None:
    assert match_key("می‌رود!") == match_key("می رود") == match_key("ميرود".replace("ي", "ی"))
    assert match_key("ＮＨＫ") == match_key("nhk.") == "nhk"
    assert match_key("—") == ""


def test_numbers_and_unnormalised_text_stay_where_no_form_is_asked_for() -> None:
    assert no_digits_in_language([Example("de", "", ("３",))]) == [False]
    scores = Squad().per_example([Example("ja", "ＮＨＫ", ("NHK",))])
    np.testing.assert_array_equal(scores["squad_em"], [0])
