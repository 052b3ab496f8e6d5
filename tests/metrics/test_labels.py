"""Metrics of labels written as text: classes, tags and spans."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xlgen.data.tasks import load_task
from xlgen.experiments.published import find_cells
from xlgen.metrics.accuracy import Accuracy
from xlgen.metrics.base import Example
from xlgen.metrics.entities import Entities
from xlgen.metrics.score import choose, score
from xlgen.metrics.spans import Spans
from xlgen.metrics.tags import TagAccuracy, tags

ENTITIES = st.lists(st.sampled_from(["PER: Ada", "LOC: Paris", "ORG: a b", "PER: x: y", "Ada"]))
ANSWERS = st.sampled_from(["Yes.", "yes.", "No.", "<extra_id_0>Yes.", "Maybe", ""])


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
    assert TagAccuracy().per_example(examples)["tag_accuracy"].tolist()[:3] == [1.0, 0.5, 0.0]
    assert np.isnan(TagAccuracy().per_example(examples)["tag_accuracy"][3])


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


def mt5_span_f1(targets: list[str], predictions: list[str]) -> float:
    """As mT5's script (multilingual_t5/evaluation/metrics.py): spans with their types, counted over all inputs."""

    def read(text: str) -> list[tuple[str, str]]:
        parts = [part.strip().split(":") for part in text.split(" $$ ")]
        return [(part[0].strip(), part[1].strip()) for part in parts if len(part) == 2]

    right = wrong = missed = 0
    for target, prediction in zip(targets, predictions, strict=True):
        gold = read(target)
        for span in read(prediction):
            if span in gold:
                gold.remove(span)
                right += 1
            else:
                wrong += 1
        missed += len(gold)
    return 100 * 2 * right / (2 * right + wrong + missed) if right else 0.0


@given(st.lists(st.tuples(ENTITIES, ENTITIES), min_size=1))
def test_span_f1_of_written_entities_is_mt5_s(pairs: list[tuple[list[str], list[str]]]) -> None:
    """Of all inputs together, as Vu et al. (2022, Tables 6 and 7) report it for WikiANN."""
    texts = [(" $$ ".join(found), " $$ ".join(wanted) or "none") for found, wanted in pairs]
    examples = [Example("fr", found, (wanted,)) for found, wanted in texts]
    rows = {row.metric: row for row in score(examples, [{"name": "entities", "form": "spans"}], "fr", bootstrap=0)}
    expected = mt5_span_f1([wanted for _, wanted in texts], [found for found, _ in texts])
    assert rows["span_f1"].value == pytest.approx(expected)
    assert "sep: $$ " in rows["span_f1"].signature


def test_an_entity_repeated_at_the_end_counts_as_often_as_it_is_written() -> None:
    """Clean-up keeps it once; mT5's script does not clean up."""
    text = "PER: Ada $$ LOC: Paris $$ LOC: Paris"
    (row,) = [
        row
        for row in score(
            [Example("fr", "PER: Ada $$ LOC: Paris", (text,), raw_prediction=f"<extra_id_0>{text}")],
            [{"name": "entities", "form": "spans"}],
            "fr",
            bootstrap=0,
        )
        if row.metric == "span_f1"
    ]
    assert row.value == 100


def test_the_span_f1_of_wikiann_is_the_published_one() -> None:
    config = load_task("wikiann", Path()).config
    assert config.main_metric == "span_f1"
    assert {cell.metric for cell in find_cells(paper="V", task="wikiann")} == {"span_f1"}
    (metric, _), *_ = choose(config.metrics)
    assert metric == Entities("spans")


@given(st.lists(st.tuples(ANSWERS, ANSWERS), min_size=1))
def test_f1_of_a_label_is_scikit_learn_s(pairs: list[tuple[str, str]]) -> None:
    """By the formula of ``f1_score(..., pos_label=...)``: 2 right / (found + wanted)."""

    def positive(text: str) -> bool:
        return text.replace("<extra_id_0>", "").lower() == "yes."

    examples = [Example("fr", found, (wanted,)) for found, wanted in pairs]
    (row,) = score(examples, [{"name": "label_f1", "label": "Yes."}], "fr", bootstrap=0)
    right = sum(positive(found) and positive(wanted) for found, wanted in pairs)
    both = sum(positive(text) for pair in pairs for text in pair)
    assert row.value == pytest.approx(200 * right / both if both else 0.0)
    assert "label:Yes." in row.signature


def test_paws_x_has_f1_of_paraphrases() -> None:
    for name, label in (("paws-x", "paraphrase"), ("paws-x-cloze", "Yes.")):
        task = load_task(name, Path())
        assert {"name": "label_f1", "label": label} in task.config.metrics
        assert label in task.config.names["label"].values()
