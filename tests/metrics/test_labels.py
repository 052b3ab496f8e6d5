"""Metrics of labels written as text: classes, tags and spans."""

import numpy as np
import pytest

from xlgen.metrics.accuracy import Accuracy
from xlgen.metrics.base import Example
from xlgen.metrics.spans import Spans
from xlgen.metrics.tags import Tags, tags


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("Yes.", "Yes.", 1.0),
        ("yes. ", "<extra_id_0>Yes.", 1.0),
        ("Yes", "Yes.", 0.0),
        ("", "Yes.", 0.0),
        ("Yes. Yes.", "Yes.", 0.0),
    ],
)
def test_accuracy(prediction: str, reference: str, expected: float) -> None:
    found = Accuracy().per_example([Example("fr", prediction, (reference,))])
    assert found["accuracy"].tolist() == [expected]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("DET NOUN", ["DET", "NOUN"]),
        ("<extra_id_0>DET <extra_id_1> NOUN", ["DET", "NOUN"]),
        ("<extra_id_2>NOUN <extra_id_0>DET X", ["DET", "", "NOUN"]),
        ("<extra_id_0>DET <extra_id_0>X", ["DET"]),
        ("", []),
    ],
)
def test_tags_stand_behind_their_sentinels(text: str, expected: list[str]) -> None:
    assert tags(text) == expected


def test_tag_accuracy_is_of_outputs_before_clean_up() -> None:
    """Clean-up keeps a phrase that is repeated at the end once; two nouns at the end are two tags."""
    raw = "<extra_id_0>DET <extra_id_1>NOUN <extra_id_2>NOUN"
    examples = [
        Example("fr", "DET NOUN", ("DET NOUN NOUN",), raw_prediction=raw),
        Example("fr", "DET X", ("<extra_id_0>DET <extra_id_1>NOUN",)),
        Example("fr", "", ("DET",)),
        Example("fr", "DET"),
    ]
    assert Tags().per_example(examples)["tag_accuracy"].tolist()[:3] == [1.0, 0.5, 0.0]
    assert np.isnan(Tags().per_example(examples)["tag_accuracy"][3])


@pytest.mark.parametrize(
    ("prediction", "reference", "expected"),
    [
        ("PER: Ada $$ LOC: Paris", "LOC: Paris $$ PER: Ada", 1.0),
        ("PER: Ada $$ LOC: Paris", "LOC: Paris $$ PER: Ada $$ ORG: X $$ ORG: Y", 2 / 3),
        ("PER: Ada $$ PER: Ada", "PER: Ada", 2 / 3),
        ("LOC: Ada", "PER: Ada", 0.0),
        ("", "PER: Ada", 0.0),
        ("", " ", 1.0),
    ],
)
def test_span_f1(prediction: str, reference: str, expected: float) -> None:
    found = Spans().per_example([Example("fr", prediction, (reference,))])
    assert found["mean_span_f1"].tolist() == pytest.approx([expected])
