import pytest

from xlgen.metrics.accuracy import Accuracy
from xlgen.metrics.base import Example, MetricSpec
from xlgen.metrics.case import has_dotless_i, lower_case
from xlgen.metrics.label_f1 import LabelF1
from xlgen.metrics.macro_f1 import MacroF1
from xlgen.metrics.mlqa import Mlqa
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.score import choose
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


# The lower case that Python makes of İ in other languages, and Turkish of I with a dot above.
ODD = [("İhsan geldi", "i\u0307hsan geldi"), ("i\u0307ki", "iki"), ("I\u0307ki", "i\u0307ki"), ("ı\u0307ki", "İki")]


@pytest.mark.parametrize(
    ("text", "reference"), [("İki kişi", "iki kişi"), ("ISPARTA", "ısparta"), ("İZMİR", "izmir"), *ODD]
)
@pytest.mark.parametrize("code", ["tr", "az", "crh"])
def test_rouge_of_turkish_does_not_depend_on_case(code: str, text: str, reference: str) -> None:
    assert Rouge().per_example([Example(code, text, (reference,))])["rouge1"][0] == 1
    assert "unicode-words-tr" in Rouge().signature(code)


def test_a_dotted_capital_is_an_i_for_mlqa_and_squads_english_rule_stays() -> None:
    example = [Example("tr", "İki", ("iki",))]
    assert Mlqa().per_example(example)["mlqa_em"][0] == 1
    assert Squad().per_example(example)["squad_em"][0] == 0


@pytest.mark.parametrize(("text", "reference"), ODD)
@pytest.mark.parametrize("code", ["tr", "az"])
def test_a_dot_written_apart_is_no_difference_in_any_metric_of_words(code: str, text: str, reference: str) -> None:
    for one, other in ((text, reference), (reference, text)):
        example = [Example(code, one, (other,))]
        assert Rouge().per_example(example)["rougeL"][0] == 1
        assert Mlqa().per_example(example)["mlqa_em"][0] == Mlqa().per_example(example)["mlqa_f1"][0] == 1
        assert Accuracy().per_example(example)["accuracy"][0] == 1
        assert choose_one("label_f1").of(LabelF1(label=other).per_example(example)["label_f1"]) == 100
        assert choose_one("macro_f1").of(MacroF1().per_example(example)["macro_f1"]) == 100


def choose_one(name: str) -> MetricSpec:
    [(_, [figure])] = choose([name])
    return figure


def test_english_labels_of_turkish_rows_do_not_depend_on_case() -> None:
    example = [Example("tr", "POSITIVE", ("Positive",)), Example("tr", "İYİ", ("iyi",)), Example("de", "İYİ", ("iyi",))]
    assert Accuracy().per_example(example)["accuracy"].tolist() == [1, 1, 0]
