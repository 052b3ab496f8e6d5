import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge

NAMES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
Shared = Callable[[str], Path]

# hypothesis, reference, (rouge1, rouge2, rougeL) in percent
TABLE = [
    ("en", "the cat sat", "the cat sat", (100, 100, 100)),
    ("en", "the cat", "the cat sat down", (200 / 3, 50, 200 / 3)),
    ("en", "sat cat the", "the cat sat", (100, 0, 100 / 3)),
    ("en", "the the the", "the", (50, 0, 50)),
    ("en", "", "the cat", (0, 0, 0)),
    ("en", "the cat", "", (0, 0, 0)),
    ("en", "", "", (0, 0, 0)),
    ("en", "кот", "кот", (0, 0, 0)),  # as in rouge_score: no letter of a-z
    ("ru", "Кот спит.", "кот спит", (100, 100, 100)),
    ("ru", "кот ест рыбу", "кот спит", (40, 0, 40)),
    ("zh", "猫在睡", "猫在吃", (200 / 3, 50, 200 / 3)),
    ("hi", "बिल्ली सो रही है", "बिल्ली खा रही है", (75, 100 / 3, 75)),
]


def scores(examples: list[Example], metric: Rouge | None = None) -> np.ndarray:
    found = (metric or Rouge()).per_example(examples)
    return np.stack([found[name] for name in NAMES], axis=1)


def oracle(prediction: str, references: list[str], use_stemmer: bool = False) -> list[float]:
    found = RougeScorer(NAMES, use_stemmer=use_stemmer).score_multi(references, prediction)
    return [found[name].fmeasure for name in NAMES]


@pytest.mark.parametrize(("language", "prediction", "reference", "expected"), TABLE)
def test_table(language: str, prediction: str, reference: str, expected: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(scores([Example(language, prediction, (reference,))])[0] * 100, expected, atol=1e-12)


@pytest.mark.parametrize("use_stemmer", [False, True])
def test_headlines_equal_rouge_score(shared: Shared, use_stemmer: bool) -> None:
    lines = shared("masakhanews/eng.test.jsonl").read_text(encoding="utf-8").splitlines()[:250]
    news = [json.loads(line) for line in lines]
    # First sentences, and the whole opening: short and long text.
    pairs = [(row["text"][:length], row["headline"]) for row in news for length in (120, 600)]
    assert len(pairs) == 500
    ours = scores([Example("en", prediction, (headline,)) for prediction, headline in pairs], Rouge(use_stemmer))
    theirs = [oracle(prediction, [headline], use_stemmer) for prediction, headline in pairs]
    assert ours.any(axis=1).mean() > 0.8
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_squad_answers_equal_rouge_score_with_several_references(shared: Shared) -> None:
    data = json.loads(shared("squad/dev-v1.1.rebuilt.json").read_text(encoding="utf-8"))["data"]
    questions = [qa for article in data for paragraph in article["paragraphs"] for qa in paragraph["qas"]][:500]
    examples = [
        Example("en", qa["answers"][0]["text"] + " of the", tuple(answer["text"] for answer in qa["answers"]))
        for qa in questions
    ]
    assert max(len(example.references) for example in examples) > 1
    theirs = [oracle(example.prediction, list(example.references)) for example in examples]
    np.testing.assert_allclose(scores(examples), theirs, rtol=0, atol=1e-12)


@given(st.text(alphabet="ab c", max_size=30), st.lists(st.text(alphabet="ab c", max_size=30), min_size=1, max_size=3))
@settings(max_examples=200)
def test_any_text_equals_rouge_score(prediction: str, references: list[str]) -> None:
    ours = scores([Example("en", prediction, tuple(references))])[0]
    np.testing.assert_allclose(ours, oracle(prediction, references), rtol=0, atol=1e-12)


@pytest.mark.parametrize("code", ["th", "ar", "hi", "zh", "ja", "ru"])
@given(st.data())
@settings(max_examples=50, deadline=None)
def test_laws(code: str, data: st.DataObject) -> None:
    text = st.text(alphabet="กิน ที่ السَّلامُ नमस्ते 我爱北京 タワー кот cat\n", max_size=40)
    one, other = data.draw(text), data.draw(text)
    there, back, same = scores([Example(code, one, (other,)), Example(code, other, (one,)), Example(code, one, (one,))])
    assert (there >= 0).all()
    assert (there <= 1).all()
    np.testing.assert_array_equal(there, back)
    assert set(same) <= {0.0, 1.0}
    assert same[0] == any(char.isalpha() for char in one)


@pytest.mark.parametrize(
    ("code", "name"),
    [("th", "tha"), ("ar", "arb"), ("hi", "hin"), ("zh", "zho-CN"), ("ja", "jpn"), ("ru", "rus")],
)
def test_identical_real_text_is_100(shared: Shared, code: str, name: str) -> None:
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:200]
    np.testing.assert_array_equal(scores([Example(code, line, (line,)) for line in lines]), 1.0)


def test_no_reference_is_undefined_and_its_neighbours_are_not() -> None:
    found = scores([Example("fr", "un chat"), Example("fr", "un chat", ("un chat",))])
    assert np.isnan(found[0]).all()
    assert (found[1] == 1).all()


def test_the_best_reference_is_chosen_for_each_figure() -> None:
    found = scores([Example("fr", "a b c d", ("d c b a", "a b x y"))])[0]
    np.testing.assert_allclose(found, [1, 1 / 3, 0.5])


def test_signature_names_the_stemmer_only_where_it_stems() -> None:
    assert Rouge(use_stemmer=True).signature("en") == "tok:rouge-score|stem:porter"
    assert Rouge(use_stemmer=True).signature("fr") == "tok:unicode-words|stem:no"
