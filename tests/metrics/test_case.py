import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.case import has_dotless_i, lower_case
from xlgen.metrics.mlqa import Mlqa
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.squad import Squad
from xlgen.metrics.words import splitter


@pytest.mark.parametrize(
    ("code", "text", "expected"),
    [
        ("tr", "İki IRK I\u0307yi", ["iki", "ırk", "iyi"]),
        ("az", "İki QIZ", ["iki", "qız"]),
        ("crh", "İki", ["iki"]),
        ("de", "IRIS Ärger", ["iris", "ärger"]),
    ],
)
def test_words_are_lower_cased_as_the_language_does(code: str, text: str, expected: list[str]) -> None:
    assert splitter(code).split(text) == expected
    assert has_dotless_i(code) == (code != "de")
    assert lower_case("de") is str.lower


@pytest.mark.parametrize(("text", "reference"), [("İki kişi", "iki kişi"), ("ISPARTA", "ısparta"), ("İZMİR", "izmir")])
@pytest.mark.parametrize("code", ["tr", "az"])
def test_rouge_of_turkish_does_not_depend_on_case(code: str, text: str, reference: str) -> None:
    assert Rouge().per_example([Example(code, text, (reference,))])["rouge1"][0] == 1
    assert "unicode-words-tr" in Rouge().signature(code)


def test_a_dotted_capital_is_an_i_for_mlqa_and_squads_english_rule_stays() -> None:
    example = [Example("tr", "İki", ("iki",))]
    assert Mlqa().per_example(example)["mlqa_em"][0] == 1
    assert Squad().per_example(example)["squad_em"][0] == 0
