import json
import random
import re
import string
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.squad import Squad

XQUAD = ["ar", "de", "el", "en", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh"]

# prediction, references, (F1, exact match) in percent
TABLE = [
    ("The Cat!", ("cat",), (100, 100)),
    ("a black cat", ("the cat",), (200 / 3, 0)),
    ("cat", ("dog", "black cat", "cat"), (100, 100)),
    ("black cat", ("cat dog", "black"), (200 / 3, 0)),
    ("an owl of the night", ("owl of a night",), (100, 100)),
    ("theatre", ("atre",), (0, 0)),
    ("", ("cat",), (0, 0)),
    ("cat", ("",), (0, 0)),
    ("", ("",), (0, 100)),  # as in the official script: no word in common, yet equal
    ("U.S.", ("us",), (100, 100)),
    ("北京市", ("北京",), (0, 0)),
    ("第 3 集团军", ("第 3 集团军",), (100, 100)),
    ("«кот»", ("кот",), (0, 0)),  # only ASCII punctuation is removed
]


def official_normal(text: str) -> str:
    """normalize_answer of evaluate-v1.1.py, from its definition."""
    text = "".join(char for char in text.lower() if char not in set(string.punctuation))
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def official_f1(prediction: str, reference: str) -> float:
    predicted, wanted = official_normal(prediction).split(), official_normal(reference).split()
    common = Counter(predicted) & Counter(wanted)
    same = sum(common.values())
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / len(wanted)
    return (2 * precision * recall) / (precision + recall)


def official(prediction: str, references: tuple[str, ...]) -> tuple[float, float]:
    exact = max(float(official_normal(prediction) == official_normal(reference)) for reference in references)
    return max(official_f1(prediction, reference) for reference in references), exact


def scores(examples: list[Example]) -> np.ndarray:
    found = Squad().per_example(examples)
    return np.stack([found["squad_f1"], found["squad_em"]], axis=1)


def perturbed(answer: str, context: str, random: random.Random) -> str:
    """The answer, with words dropped or added, in other case, in punctuation, or another span."""
    words = context.split()
    start = random.randrange(len(words))
    return random.choice(
        [
            answer,
            answer.upper(),
            f"The {answer}.",
            f"«{answer}», a",
            " ".join(random.sample(answer.split(), k=max(1, len(answer.split()) // 2))),
            f"{answer} {words[start]}",
            " ".join(words[start : start + 4]),
            "",
        ]
    )


@pytest.mark.parametrize(("prediction", "references", "expected"), TABLE)
def test_table(prediction: str, references: tuple[str, ...], expected: tuple[float, float]) -> None:
    np.testing.assert_allclose(scores([Example("en", prediction, references)])[0] * 100, expected, atol=1e-12)
    np.testing.assert_allclose(np.array(official(prediction, references)) * 100, expected, atol=1e-12)


@pytest.mark.spread(4)
@pytest.mark.parametrize("code", XQUAD)
def test_xquad_equals_the_official_definition(shared: Callable[[str], Path], code: str) -> None:
    data = json.loads(shared(f"xquad/xquad.{code}.json").read_text(encoding="utf-8"))["data"]
    chance = random.Random(0)
    examples = []
    for paragraph in (paragraph for article in data for paragraph in article["paragraphs"]):
        answers = [answer["text"] for qa in paragraph["qas"] for answer in qa["answers"]]
        for answer in answers:
            references = (answer, chance.choice(answers))[: chance.randint(1, 2)]
            examples.append(Example(code, perturbed(answer, paragraph["context"], chance), references))
    assert len(examples) >= 1190
    found = scores(examples)
    assert 0.2 < found[:, 1].mean() < 0.9
    expected = [official(example.prediction, example.references) for example in examples]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
