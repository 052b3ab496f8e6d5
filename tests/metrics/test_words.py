import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from xlgen.metrics.english import english_numbers, english_words
from xlgen.metrics.ragged import numbered
from xlgen.metrics.words import porter_stem, splitter

TABLE = [
    ("en", "Café no. 5, the END_of", ["caf", "no", "5", "the", "end", "of"]),
    ("fr", "L'été, NO. 5 ÉTÉ", ["l", "été", "no", "5", "été"]),
    ("fr", "e\u0301te\u0301", ["été"]),
    ("ru", "Ёлка — 2-й этаж", ["ёлка", "2", "й", "этаж"]),
    ("hi", "हिन्दी में, नमस्ते।", ["हिन्दी", "में", "नमस्ते"]),
    ("ar", "السَّلامُ عليكم؟", ["السَّلامُ", "عليكم"]),
    ("ko", "한국의 수도는", ["한국의", "수도는"]),
    ("fa", "می\u200cخواهم بروم\u200c", ["می\u200cخواهم", "بروم"]),
    ("he", "\u200fשלום\u200f ע\u00adולם", ["שלום", "עולם"]),
    ("th", "กินที่ iPhone 15", ["กิ", "น", "ที่", "iphone", "15"]),
    ("zh", "我爱北京。Hello 2023年", ["我", "爱", "北", "京", "hello", "2023", "年"]),
    ("ja", "タワーのｶﾞ", ["タ", "ワ", "ー", "の", "ガ"]),
    ("fr", "", []),
    ("th", " \n…!", []),
    ("de", "\u0301", []),
    ("de", "\ud800a", ["a"]),
]


@pytest.mark.parametrize(("language", "text", "expected"), TABLE)
def test_words(language: str, text: str, expected: list[str]) -> None:
    expected = [unicodedata.normalize("NFKC", word) for word in expected]
    assert splitter(language).split(text) == expected


def test_the_name_says_the_rule() -> None:
    assert [splitter(code).name for code in ("en", "eng_Latn", "sw", "th", "ja")] == [
        "rouge-score",
        "rouge-score",
        "unicode-words",
        "unicode-chars",
        "unicode-chars",
    ]


@pytest.mark.parametrize(("word", "stem"), [("was", "was"), ("does", "doe"), ("running", "run"), ("2023", "2023")])
def test_porter_stem(word: str, stem: str) -> None:
    assert porter_stem(word) == stem
    assert DefaultTokenizer(use_stemmer=True).tokenize(word) == [stem]


@pytest.mark.exhaustive
@given(st.text())
def test_english_is_rouge_scores_own(text: str) -> None:
    words = splitter("en").split(text)
    assert words == DefaultTokenizer(use_stemmer=False).tokenize(text)
    assert list(map(porter_stem, words)) == DefaultTokenizer(use_stemmer=True).tokenize(text)


@given(st.lists(st.text(st.sampled_from("abcdefghi19 .\néK\u212aİ\ud800\x7f\xff"), max_size=30)))
def test_english_words_as_numbers_are_the_same_words(texts: list[str]) -> None:
    found, expected = english_numbers(texts), numbered(texts, english_words)
    assert found.starts.tolist() == expected.starts.tolist()
    # Other numbers, but one for one.
    pairs = set(zip(found.values.tolist(), expected.values.tolist(), strict=True))
    assert len(pairs) == len({left for left, _ in pairs}) == len({right for _, right in pairs})


@given(st.text())
def test_no_letter_or_digit_is_lost(text: str) -> None:
    for code in ("fr", "zh"):
        kept = sum(char.isalnum() for char in unicodedata.normalize("NFKC", text).lower())
        # Python's isalnum knows a few more digits than the categories L and N.
        found = sum(char.isalnum() for word in splitter(code).split(text) for char in word)
        assert found >= kept - sum(unicodedata.category(char)[0] not in "LN" for char in text)
