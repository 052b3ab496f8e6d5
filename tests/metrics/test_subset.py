import json
from collections.abc import Callable
from pathlib import Path

import pytest

from xlgen.core.registry import UnknownNameError
from xlgen.metrics.base import Example
from xlgen.metrics.lid import load_identifier
from xlgen.metrics.subset import has_number, no_digits_in_language, subset


@pytest.mark.parametrize("text", ["in 1990", "١٩٩٠", "१९९०", "๑๙", "１９", "Ludwig Ⅳ", "½", "x²", "③", "༣", "௧"])
def test_numbers_of_any_script(text: str) -> None:
    assert has_number(text)


@pytest.mark.parametrize("text", ["", "three", "三十", "一些", "трёх", "Louis XIV", "%", "٪", "a.b"])
def test_what_is_no_number(text: str) -> None:
    assert not has_number(text)


def test_every_gold_answer_must_be_in_the_language_and_without_numbers() -> None:
    in_french, in_english = "la bibliothèque de la ville", "the library of the town"
    cases = [
        ((in_french,), True),
        ((in_english,), False),
        ((in_french, in_english), False),
        ((in_french, "les deux bibliothèques de la ville"), True),
        ((in_french + " 2",), False),
        ((in_french, "en 1990"), False),
        ((), False),
        (("",), False),
        ((" ",), False),
    ]
    examples = [Example("fr", "1990 whatever", references) for references, _ in cases]
    assert no_digits_in_language(examples) == [expected for _, expected in cases]
    assert no_digits_in_language([]) == []


def test_a_language_without_a_label_has_an_empty_subset() -> None:
    assert no_digits_in_language([Example("pcm", "x", ("Di town library",))]) == [False]


@pytest.mark.spread(2)
@pytest.mark.parametrize("code", ["ar", "el", "en", "ru", "th", "zh"])
def test_xquad_equals_the_rule_said_plainly(shared: Callable[[str], Path], code: str) -> None:
    data = json.loads(shared(f"xquad/xquad.{code}.json").read_text(encoding="utf-8"))["data"]
    gold = [qa["answers"][0]["text"] for d in data for p in d["paragraphs"] for qa in p["qas"]]
    kept = no_digits_in_language([Example(code, "", (text,)) for text in gold])
    labels = [load_identifier().identify([text])[0][0] for text in gold]
    # str.isnumeric knows the same characters, and the Chinese numerals, which are letters here.
    plain = [
        label == code and not any(char.isnumeric() and not char.isalpha() for char in text)
        for text, label in zip(gold, labels, strict=True)
    ]
    assert kept == plain
    assert 0.1 < sum(kept) / len(kept) < 0.9


def test_by_name() -> None:
    assert subset("no-digits-in-language").name.startswith("no-digits-in-language@lid.176.ftz@")
    with pytest.raises(UnknownNameError, match="did you mean 'no-digits-in-language'"):
        subset("no-digits")
