"""Confidence in a language given by name: LID_EN of Vu et al. (2022), LID_DE of Li and Murray (2023, Table 9)."""

import math

import pytest

from xlgen.core.languages import all_languages
from xlgen.core.registry import UnknownNameError
from xlgen.metrics.base import Example
from xlgen.metrics.confidence_of import ConfidenceOf
from xlgen.metrics.lid import load_identifier
from xlgen.metrics.options import owner_of
from xlgen.metrics.score import choose, score

GERMAN = "Der Zug nach Hamburg hatte heute Morgen mehr als eine Stunde Verspätung."
ENGLISH = "The train to Hamburg was more than an hour late this morning."
FRENCH = "Le train pour Hambourg avait plus d'une heure de retard ce matin."


def examples(*texts: str, language: str = "fr") -> list[Example]:
    return [Example(language, text, (FRENCH,)) for text in texts]


def test_the_mean_probability_of_the_named_language() -> None:
    """Equal to the identifier's own probabilities, whatever language was asked for."""
    texts = [GERMAN, ENGLISH, FRENCH, ""]
    for code in ("de", "en", "fr"):
        (row,) = score(examples(*texts), [f"lid_confidence_{code}"], "fr", bootstrap=0)
        expected = math.fsum(load_identifier().confidence(texts, [code] * 4)) / 4 * 100
        assert row.metric == f"lid_confidence_{code}"
        assert row.value == pytest.approx(expected, abs=1e-9)
        assert 20 < row.value < 30  # one text in four
        assert "lid:lid.176.ftz" in row.signature


def test_of_the_target_language_it_is_the_confidence_that_evaluations_have() -> None:
    rows = score(examples(GERMAN, FRENCH, ""), ["lid_confidence", "lid_confidence_fr"], "fr", bootstrap=0)
    assert rows[0].value == rows[1].value


def test_source_and_target_confidence_of_a_translated_output() -> None:
    """As in Table 9: outputs in German where French was asked for have a high LID_DE and a low LID_FR."""
    rows = {row.metric: row.value for row in score(examples(GERMAN), ["lid_confidence", "lid_confidence_de"], "fr", 0)}
    assert rows["lid_confidence_de"] > 90 > 10 > rows["lid_confidence"]


def test_every_language_of_the_table_has_its_name() -> None:
    for language in all_languages():
        assert owner_of(f"lid_confidence_{language.code}") == "confidence_of"
    (pair,) = choose([{"name": "confidence_of", "languages": ["de", "zh-Hant"]}])
    assert [figure.name for figure in pair[1]] == ["lid_confidence_de", "lid_confidence_zh-Hant"]


@pytest.mark.parametrize("name", ["lid_confidence_", "lid_confidence_xx", "lid_confidence_German", "confidence_de"])
def test_a_name_that_is_no_language_is_refused(name: str) -> None:
    with pytest.raises(UnknownNameError):
        owner_of(name)


def test_a_language_without_a_label_is_undefined() -> None:
    unlabelled = next(language.code for language in all_languages() if not load_identifier().code(language))
    (row,) = score(examples(GERMAN), [ConfidenceOf((unlabelled,))], "fr", bootstrap=0)
    assert row.value is None
