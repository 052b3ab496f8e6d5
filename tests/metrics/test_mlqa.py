"""Equal to the definitions of MLQA's evaluation, written here from its description and not from our code."""

import json
import random
import re
import string
import sys
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.core.languages import all_languages
from xlgen.metrics.base import Example
from xlgen.metrics.mlqa import Mlqa, rules
from xlgen.metrics.squad import Squad

XQUAD = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"]
ANSWERS = 2_000
PUNCTUATION = {chr(i) for i in range(sys.maxunicode) if unicodedata.category(chr(i))[0] == "P"} | set(
    string.punctuation
)
# The first seven are MLQA's, the others what we say for the languages of XQuAD that MLQA has not.
ARTICLES = {
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": "\\sال^|ال",
    "hi": None,
    "zh": None,
    "el": r"\b(ο|η|το|οι|τα|του|της|των|τον|την|τη|τους|τις|ένας|μία|μια|ένα|έναν|ενός|μίας|μιας)\b",
    "ro": r"\b(un|o|unui|unei|unor|niște|nişte)\b",
    "ru": None,
    "th": None,
    "tr": None,
}


def mixed(text: str, alone: Callable[[str], bool]) -> list[str]:
    """Characters that stand alone, and what lies between them split at white space."""
    tokens, rest = [], ""
    for char in text:
        if alone(char) or char in PUNCTUATION:
            tokens += [*rest.split(), char]
            rest = ""
        else:
            rest += char
    return tokens + rest.split()


def thai(text: str) -> list[str]:
    """Thai letters and digits, each with the marks that follow it; the rest split at white space."""
    spread, after_thai = "", False
    for char in text:
        if unicodedata.category(char)[0] == "M":
            spread = spread[:-1] + char + " " if after_thai else spread + char
        elif "THAI" in unicodedata.name(char, "") and unicodedata.category(char)[0] in "LN":
            spread, after_thai = f"{spread} {char} ", True
        else:
            spread, after_thai = spread + char, False
    return spread.split()


def official_tokens(text: str, code: str) -> list[str]:
    """normalize_answer of mlqa_evaluation_v1.py and the split that follows it."""
    text = "".join(char for char in text.lower() if char not in PUNCTUATION)
    text = re.sub(ARTICLES[code], " ", text) if ARTICLES[code] else text
    if code == "zh":
        tokens = mixed(text, lambda char: re.search("[\u4e00-\u9fa5]", char) is not None)
    else:
        tokens = thai(text) if code == "th" else text.split()
    return " ".join(token for token in tokens if token.strip()).split()


def squad_tokens(text: str, _: str) -> list[str]:
    """normalize_answer of evaluate-v1.1.py and the split that follows it."""
    text = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def official(tokens: Callable[[str, str], list[str]], example: Example) -> tuple[float, float]:
    """F1 and exact match, each the best over the references."""
    predicted, best, exact = tokens(example.prediction, example.language), 0.0, 0.0
    for reference in example.references:
        wanted = tokens(reference, example.language)
        same = sum((Counter(predicted) & Counter(wanted)).values())
        exact = max(exact, float(" ".join(predicted) == " ".join(wanted)))
        if same:
            precision, recall = 1.0 * same / len(predicted), 1.0 * same / len(wanted)
            best = max(best, (2 * precision * recall) / (precision + recall))
    return best, exact


# Punctuation of the scripts of XQuAD, ASCII signs that are symbols and not punctuation, and invisible marks.
MARKS = [*"!?.,;:«»“”„¿¡؟،؛।॥。，、「」（）·…‘’'\"()[]{}$+<=>^`|~%-—_/\\", "\u200f", "\u200d", "\u00ad", "\ufeff"]
# Articles, and words with combining marks.
WORDS = """a an the A The THE el la los una der die das einen của là những cái ال الـ والكتاب ο η το ένας μια Ένα ΤΟΥ
un o unui niște cái\u0309 e\u0301 a\u0300 กา\u0e49 नि\u093e ①"""


def perturb(answer: str, other: str, chance: random.Random) -> str:
    """One change to an answer, of the kinds that systems make."""
    words = answer.split(" ")
    at = chance.randrange(len(words))
    place = chance.randrange(len(answer) + 1)
    kind = chance.randrange(12)
    if kind == 0:
        return " ".join(words[:at] + words[at + 1 :])
    if kind == 1:
        return " ".join([*words[: at + 1], *words[at:]])
    if kind == 2:
        return chance.choice([answer.upper(), answer.title(), answer.swapcase()])
    if kind == 3:
        return answer[:place] + chance.choice(MARKS) + answer[place:]
    if kind == 4:
        return chance.choice("«“([「¿") + answer + chance.choice("»”)]」。؟।.")
    if kind == 5:
        return " ".join([*words[:at], chance.choice(WORDS.split()), *words[at:]])
    if kind == 6:
        return "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" else char for char in answer)
    if kind == 7:
        return unicodedata.normalize(chance.choice(["NFD", "NFKD"]), answer)
    if kind == 8:
        return answer[:place] + chance.choice([" ", "  ", "\u00a0", "\u3000", "\n", "\t", "\u200b"]) + answer[place:]
    if kind == 9:
        return answer[:place]
    return "" if kind == 10 and chance.random() < 0.3 else f"{answer} {other}"


@pytest.fixture(scope="module")
def answers(shared: Callable[[str], Path]) -> Callable[[str], list[Example]]:
    def find(code: str) -> list[Example]:
        data = json.loads(shared(f"xquad/xquad.{code}.json").read_text(encoding="utf-8"))["data"]
        gold = [a["text"] for d in data for p in d["paragraphs"] for qa in p["qas"] for a in qa["answers"]]
        chance = random.Random(code)
        examples = []
        for number in range(ANSWERS):
            answer, other = gold[number % len(gold)], chance.choice(gold)
            prediction = answer
            for _ in range(chance.randint(0, 3)):
                prediction = perturb(prediction, other, chance)
            examples.append(Example(code, prediction, (answer, other, chance.choice(gold))[: chance.randint(1, 3)]))
        return examples

    return find


@pytest.mark.spread(3)
@pytest.mark.parametrize("code", XQUAD)
@pytest.mark.parametrize(("metric", "tokens"), [(Mlqa(), official_tokens), (Squad(), squad_tokens)])
def test_xquad_equals_the_official_definition(
    answers: Callable[[str], list[Example]],
    code: str,
    metric: Mlqa | Squad,
    tokens: Callable[[str, str], list[str]],
) -> None:
    examples = answers(code)
    assert len(examples) == ANSWERS
    found = np.stack(list(metric.per_example(examples).values()), axis=1)
    expected = np.array([official(tokens, example) for example in examples])
    np.testing.assert_array_equal(found, expected)
    assert 0.2 < expected[:, 1].mean() < 0.9, "neither all right nor all wrong"


@pytest.mark.parametrize(
    ("code", "prediction", "reference", "expected"),
    [
        ("en", "The «cat»!", "a cat", (100, 100)),
        ("de", "den Hund", "der Hund", (100, 100)),
        ("ar", "الكتاب", "كتاب", (100, 100)),
        ("ar", "والكتاب", "و كتاب", (100, 100)),
        ("vi", "của tôi", "tôi", (100, 100)),
        ("zh", "北京市", "北京", (80, 0)),
        ("zh-Hant", "北京市", "北京", (80, 0)),
        ("zh", "在 iPhone 上", "在iphone上", (100, 100)),
        ("ja", "東京タワー", "東京", (400 / 7, 0)),
        ("th", "กรุงเทพ", "กรุงเทพ", (100, 100)),
        ("th", "ห้องสมุด", "ห้อง", (2 / 3 * 100, 0)),
        ("ko", "서울 시", "서울", (200 / 3, 0)),
        ("fr", "L'été", "été", (100, 100)),
        ("fr", "l’eau", "une eau", (100, 100)),
        ("it", "un'arte", "arte", (100, 100)),
        ("el", "Ο Πύργος", "πύργος", (100, 100)),
        ("ru", "«Кот».", "кот", (100, 100)),
        ("hi", "दिल्ली।", "दिल्ली", (100, 100)),
        ("en", "", "", (0, 100)),
        ("en", "the", "", (0, 100)),
        ("fr", "aujourd'hui", "aujourd’hui", (100, 100)),
    ],
)
def test_table(code: str, prediction: str, reference: str, expected: tuple[float, float]) -> None:
    found = Mlqa().per_example([Example(code, prediction, (reference,))])
    assert (100 * found["mlqa_f1"][0], 100 * found["mlqa_em"][0]) == pytest.approx(expected)


def test_every_language_has_a_rule_and_says_which() -> None:
    for language in all_languages():
        chosen = rules(language.code)
        assert (chosen.segmentation == "whitespace") == language.spaced, language
        assert (chosen.article is None) == (chosen.articles == "none")
        assert chosen.normalize("") == chosen.normalize(" ?! ") == ""
    assert Mlqa().signature("es").startswith("norm:mlqa|articles:mlqa|seg:whitespace|unicode:")
    assert Mlqa().signature("th").startswith("norm:mlqa|articles:none|seg:mixed-chars|")
    assert Mlqa().signature("fr").startswith("norm:mlqa|articles:xlgen|")


@given(st.sampled_from([*XQUAD, "fr", "ja", "ko"]), st.text(max_size=40))
def test_normal_forms_hold_no_punctuation_and_single_spaces(code: str, text: str) -> None:
    normal = rules(code).normalize(text)
    assert not set(normal) & PUNCTUATION
    assert normal == " ".join(normal.split())


@given(st.sampled_from(XQUAD), st.text(max_size=30), st.text(max_size=30))
def test_f1_is_symmetric_and_an_exact_match_is_perfect(code: str, left: str, right: str) -> None:
    there, back = (Mlqa().per_example([Example(code, one, (other,))]) for one, other in ((left, right), (right, left)))
    assert there["mlqa_f1"] == back["mlqa_f1"]
    if there["mlqa_em"][0] and rules(code).normalize(left):
        assert there["mlqa_f1"][0] == 1
