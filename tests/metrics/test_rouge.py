import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from xlgen.metrics import rouge_counts
from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge

NAMES = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
Shared = Callable[[str], Path]
CODES = [("th", "tha"), ("ar", "arb"), ("hi", "hin"), ("zh", "zho-CN"), ("ja", "jpn"), ("ru", "rus")]
ANY = "กิน ที่ السَّلامُ नमस्ते 我爱北京 タワー кот cat\n\ud800\u200f"

# hypothesis, reference, (rouge1, rouge2, rougeL, rougeLsum) in percent
TABLE = [
    ("en", "the cat sat", "the cat sat", (100, 100, 100, 100)),
    ("en", "the cat", "the cat sat down", (200 / 3, 50, 200 / 3, 200 / 3)),
    ("en", "sat cat the", "the cat sat", (100, 0, 100 / 3, 100 / 3)),
    ("en", "sat\ncat\nthe", "the cat sat", (100, 0, 100 / 3, 100)),  # each line has its part in the union
    ("en", "the the the", "the", (50, 0, 50, 50)),
    ("en", "the\nthe", "the\ncat", (50, 0, 50, 50)),  # no word counts twice
    ("en", "", "the cat", (0, 0, 0, 0)),
    ("en", "the cat", "", (0, 0, 0, 0)),
    ("en", "", "", (0, 0, 0, 0)),
    ("en", "\n\n", "\n", (0, 0, 0, 0)),
    ("en", "кот", "кот", (0, 0, 0, 0)),  # as in rouge_score: no letter of a-z
    ("ru", "Кот спит.", "кот спит", (100, 100, 100, 100)),
    ("ru", "кот ест рыбу", "кот спит", (40, 0, 40, 40)),
    ("zh", "猫在睡", "猫在吃", (200 / 3, 50, 200 / 3, 200 / 3)),
    ("hi", "बिल्ली सो रही है", "बिल्ली खा रही है", (75, 100 / 3, 75, 75)),
]


def scores(examples: list[Example], metric: Rouge | None = None) -> np.ndarray:
    found = (metric or Rouge()).per_example(examples)
    return np.stack([found[name] for name in NAMES], axis=1)


def oracle(prediction: str, references: list[str], use_stemmer: bool = False) -> list[float]:
    found = RougeScorer(NAMES, use_stemmer=use_stemmer).score_multi(references, prediction)
    return [found[name].fmeasure for name in NAMES]


def squad(shared: Shared) -> list[dict]:
    return json.loads(shared("squad/dev-v1.1.rebuilt.json").read_text(encoding="utf-8"))["data"]


def pairs(shared: Shared) -> list[tuple[str, str]]:
    """A thousand pairs of news and a thousand of Wikipedia, of one line and of several, which share sentences."""
    news = [json.loads(line) for line in shared("masakhanews/eng.test.jsonl").read_text(encoding="utf-8").splitlines()]
    news += [json.loads(line) for line in shared("masakhanews/eng.dev.jsonl").read_text(encoding="utf-8").splitlines()]
    lines = [(row["headline"], row["text"][:300].replace(". ", ".\n")) for row in news[:1000]]
    found = [(text, f"{headline}\n{text[60:240]}") for headline, text in lines]
    paragraphs = [paragraph for article in squad(shared) for paragraph in article["paragraphs"]]
    for paragraph in paragraphs[:1000]:
        text, question = paragraph["context"][:350].replace(". ", ".\n"), paragraph["qas"][0]["question"]
        found.append((text, f"{question}\n{text[100:]}"))
    return found


@pytest.mark.parametrize(("language", "prediction", "reference", "expected"), TABLE)
def test_table(language: str, prediction: str, reference: str, expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(scores([Example(language, prediction, (reference,))])[0] * 100, expected, atol=1e-12)


@pytest.mark.exhaustive
def test_two_thousand_pairs_equal_rouge_score(shared: Shared) -> None:
    texts = pairs(shared)
    assert len(texts) == 2000
    assert sum("\n" in prediction for prediction, _ in texts) > 1500
    ours = scores([Example("en", prediction, (reference,)) for prediction, reference in texts])
    theirs = [oracle(prediction, [reference]) for prediction, reference in texts]
    assert (ours > 0).all(axis=1).mean() > 0.95
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)


def test_stemmed_pairs_equal_rouge_score(shared: Shared) -> None:
    texts = pairs(shared)[::20]
    ours = scores([Example("en", prediction, (reference,)) for prediction, reference in texts], Rouge(use_stemmer=True))
    theirs = [oracle(prediction, [reference], use_stemmer=True) for prediction, reference in texts]
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12)
    assert (ours != scores([Example("en", prediction, (reference,)) for prediction, reference in texts])).any()


def test_whole_articles_equal_rouge_score(shared: Shared) -> None:
    """Sentences of more than 64 words, and of more than 64 times the words that are walked at once."""
    news = [json.loads(line) for line in shared("masakhanews/eng.test.jsonl").read_text(encoding="utf-8").splitlines()]
    texts = [(row["text"][:4000], row["text"][1000:6000]) for row in news if len(row["text"]) > 6000][:6]
    texts = [(one.replace("\n", " "), other.replace("\n", " ")) for one, other in texts]
    texts = [(f"{one}\n{one[500:900]}", f"{other[:700]}\n{other}") for one, other in texts]
    ours = scores([Example("en", prediction, (reference,)) for prediction, reference in texts])
    np.testing.assert_allclose(ours, [oracle(one, [other]) for one, other in texts], rtol=0, atol=1e-12)


def test_squad_answers_equal_rouge_score_with_several_references(shared: Shared) -> None:
    paragraphs = [paragraph for article in squad(shared) for paragraph in article["paragraphs"]]
    questions = [qa for paragraph in paragraphs for qa in paragraph["qas"]][:300]
    examples = [
        Example("en", qa["answers"][0]["text"] + " of the", tuple(answer["text"] for answer in qa["answers"]))
        for qa in questions
    ]
    assert max(len(example.references) for example in examples) > 1
    theirs = [oracle(example.prediction, list(example.references)) for example in examples]
    np.testing.assert_allclose(scores(examples), theirs, rtol=0, atol=1e-12)


@given(st.text("ab c\n", max_size=30), st.lists(st.text("ab c\n", max_size=30), min_size=1, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_text_equals_rouge_score(prediction: str, references: list[str]) -> None:
    ours = scores([Example("en", prediction, tuple(references))])[0]
    np.testing.assert_allclose(ours, oracle(prediction, references), rtol=0, atol=1e-12)


@pytest.mark.parametrize("code", ["th", "ar", "hi", "zh", "ja", "ru"])
@given(st.text(ANY, max_size=40), st.text(ANY, max_size=40))
@settings(max_examples=50, deadline=None)
def test_laws(code: str, one: str, other: str) -> None:
    there, back, same = scores([Example(code, one, (other,)), Example(code, other, (one,)), Example(code, one, (one,))])
    assert (there >= 0).all()
    assert (there <= 1).all()
    np.testing.assert_array_equal(there[:3], back[:3])  # Lsum is not symmetric
    assert set(same) <= {0.0, 1.0}
    assert same[0] == any(char.isalpha() for char in one)
    assert same[0] == same[2] == same[3]


@given(
    st.text(ANY, max_size=30), st.lists(st.text(ANY, max_size=30), min_size=1, max_size=3), st.text(ANY, max_size=30)
)
@settings(max_examples=50, deadline=None)
def test_one_more_reference_never_lowers_the_best(prediction: str, references: list[str], more: str) -> None:
    fewer, all_ = scores([Example("th", prediction, tuple(references)), Example("th", prediction, (*references, more))])
    assert (all_ >= fewer).all()


@given(st.text(ANY.replace("\n", ""), max_size=40), st.text(ANY.replace("\n", ""), max_size=40))
@settings(max_examples=50, deadline=None)
def test_of_single_sentences_lsum_is_l(one: str, other: str) -> None:
    [[_, _, longest, summed]] = scores([Example("zh", f"\n{one}\n", (other,))])
    assert longest == summed


@pytest.mark.parametrize(("code", "name"), CODES)
def test_identical_real_text_is_100(shared: Shared, code: str, name: str) -> None:
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:200]
    texts = ["\n".join(lines[start : start + 4]) for start in range(0, 200, 4)]
    np.testing.assert_array_equal(scores([Example(code, text, (text,)) for text in texts]), 1.0)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch, shared: Shared) -> None:
    texts = [(pair, "en" if number % 2 else "ru") for number, pair in enumerate(pairs(shared)[::100])]
    examples = [Example(language, one, (other, one[:50])) for (one, other), language in texts]
    whole = scores(examples)
    monkeypatch.setattr(rouge_counts, "_CHARACTERS", 1000)
    np.testing.assert_array_equal(scores(examples), whole)


def test_no_reference_is_undefined_and_its_neighbours_are_not() -> None:
    found = scores([Example("fr", "un chat"), Example("fr", "un chat", ("un chat",))])
    assert np.isnan(found[0]).all()
    assert (found[1] == 1).all()


def test_the_best_reference_is_chosen_for_each_figure() -> None:
    found = scores([Example("fr", "a b c d", ("d c b a", "a b x y"))])[0]
    np.testing.assert_allclose(found, [1, 1 / 3, 0.5, 0.5])


HOSTILE = ["", "\ud800" * 3, "\x00", "\u200f\u202e", "x" * 1_000_000, "a " * 100_000, "น" * 30_000, "我\n" * 3000]


@pytest.mark.spread(1)
@pytest.mark.parametrize("code", ["en", "th"])
def test_hostile_text_is_scored(code: str) -> None:
    examples = [Example(code, one, (other, "a 我")) for one, other in pairwise(HOSTILE)]
    examples += [Example(code, text, (text,)) for text in HOSTILE]
    found = scores(examples)
    assert ((found >= 0) & (found <= 1)).all()


def test_precision_and_recall_are_rouge_scores() -> None:
    one, other = "the cat\nsat on a mat", "the dog sat\non the mat"
    found = Rouge().counts([one], [other], "en")
    theirs = RougeScorer(NAMES).score(other, one)
    assert list(found) == NAMES
    for name, counts in found.items():
        expected = theirs[name]
        assert (counts.precision[0], counts.recall[0], counts.f1[0]) == pytest.approx(expected, abs=1e-12)


def test_sentences_are_cut_as_asked() -> None:
    example = Example("zh", "猫在睡。狗在吃。", ("狗在吃。猫在睡。",))
    assert scores([example])[0, 3] == 0.5
    assert scores([example], Rouge(sentences="marks"))[0, 3] == 1


def test_a_dictionary_finds_words() -> None:
    pytest.importorskip("jieba", reason="the extra segmenters is not installed")
    example = Example("zh", "早上去学校", ("学校在早上",))
    by_character, by_word = scores([example])[0], scores([example], Rouge(segmenter="dictionary"))[0]
    assert by_character[:2] == pytest.approx([0.8, 0.5])
    assert by_word[:2] == pytest.approx([2 / 3, 0])


def test_signature_names_all_that_decides() -> None:
    assert Rouge(use_stemmer=True).signature("en") == "tok:rouge-score|stem:porter|sent:newline"
    assert Rouge(use_stemmer=True, sentences="t5").signature("fr") == "tok:unicode-words|stem:no|sent:t5"
