from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from xlgen.core.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.language_rate import LanguageRateMetric

FRENCH = "Le gouvernement a annoncé de nouvelles mesures pour les écoles."
REAL = [("en", "eng"), ("fr", "fra"), ("de", "deu"), ("es", "spa"), ("ru", "rus"), ("ar", "arb"), ("hi", "hin")]
REAL += [("th", "tha"), ("el", "ell"), ("tr", "tur"), ("vi", "vie"), ("zh", "zho-CN"), ("ja", "jpn"), ("ko", "kor")]

# prediction, target language, correct or not
TABLE = [
    (FRENCH, "fr", 1),
    (FRENCH, "fra_Latn", 1),
    (FRENCH, "de", 0),
    (FRENCH.replace(" ", "\n"), "fr", 1),
    ("", "en", 0),
    (" \n", "en", 0),
]


@pytest.mark.parametrize(("prediction", "language", "correct"), TABLE)
def test_table(prediction: str, language: str, correct: int) -> None:
    found = LanguageRateMetric().per_example([Example(language, prediction)])
    assert found["correct_language_rate"].tolist() == [correct]
    assert (found["lid_confidence"][0] > 0.5) == bool(correct)


@pytest.mark.spread(6)
@pytest.mark.parametrize(("code", "name"), REAL)
def test_real_lines_are_in_their_language(shared: Callable[[str], Path], code: str, name: str) -> None:
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:1000]
    found = LanguageRateMetric().per_example([Example(code, line) for line in lines])
    assert found["correct_language_rate"].mean() > 0.95
    assert found["lid_confidence"].mean() > 0.8


def test_english_lines_are_in_no_other_language(shared: Callable[[str], Path]) -> None:
    lines = shared("ntrex128/eng.txt").read_text(encoding="utf-8").split("\n")[:1000]
    for code in ("fr", "ru", "th"):
        assert (
            LanguageRateMetric().per_example([Example(code, line) for line in lines])["correct_language_rate"].mean()
            < 0.02
        )


def test_a_language_without_a_label_is_undefined() -> None:
    found = LanguageRateMetric().per_example([Example("pcm", "How you dey?"), Example("fr", FRENCH)])
    assert np.isnan(found["correct_language_rate"]).tolist() == [True, False]
    assert np.isnan(found["lid_confidence"]).tolist() == [True, False]
    assert "label:none" in LanguageRateMetric().signature("pcm")


class Parrot:
    """Calls everything Swahili."""

    name = "parrot@1"

    def code(self, language: Language) -> str:
        return language.code

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        return [("sw", 0.75)] * len(texts)

    def confidence(self, texts: Sequence[str], labels: Sequence[str]) -> list[float]:
        return [0.75 * (label == "sw") for label in labels]


def test_any_identifier_will_do() -> None:
    metric = LanguageRateMetric(Parrot())
    found = metric.per_example([Example("sw", "x"), Example("fr", "x"), Example("sw", "")])
    assert found["correct_language_rate"].tolist() == [1, 0, 0]
    assert found["lid_confidence"].tolist() == [0.75, 0, 0]
    assert metric.signature("sw") == "lid:parrot@1|label:sw"
