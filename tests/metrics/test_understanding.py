"""Figures of understanding tasks: equal to seqeval and scikit-learn, and the laws that they keep to."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import metrics as sklearn

from xlgen.metrics.base import Example, Figure, Metric
from xlgen.metrics.entities import Entities, span_f1, spans
from xlgen.metrics.macro_f1 import MacroF1, macro_f1
from xlgen.metrics.packed import LARGEST, pack, sums
from xlgen.metrics.ranking import Ndcg, ndcg, xglue_ndcg
from xlgen.metrics.score import score
from xlgen.metrics.tags import Tags
from xlgen.registry import InputError

TAGS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC", "B", "I", "B-per-son", "I-per-son"]
UPOS = ["NOUN", "VERB", "DET", "PUNCT"]
TWO = st.integers(1, 8).flatmap(
    lambda size: st.tuples(*[st.lists(st.sampled_from(TAGS), min_size=size, max_size=size) for _ in range(2)])
)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # seqeval's, of nothing to divide by


def value(metric: Metric, figure: str, rows: list[tuple[str, str]]) -> float:
    examples = [Example("th", prediction, (reference,)) for prediction, reference in rows]
    (found,) = [row.value for row in score(examples, [metric], "th", bootstrap=0) if row.metric == figure]
    assert found is not None
    return found


def text(rows: list[tuple[list[str], list[str]]]) -> list[tuple[str, str]]:
    return [(" ".join(predicted), " ".join(wanted)) for predicted, wanted in rows]


@given(st.lists(st.sampled_from(TAGS), max_size=12))
def test_entities_are_seqevals(tags: list[str]) -> None:
    expected = [(first, last, kind) for kind, first, last in get_entities(tags)] if tags else []
    assert spans(tags) == expected


@given(st.lists(TWO, min_size=1, max_size=6))
def test_span_f1_is_seqevals(rows: list[tuple[list[str], list[str]]]) -> None:
    predicted, wanted = [row[0] for row in rows], [row[1] for row in rows]
    expected = seqeval.f1_score(wanted, predicted)
    assert span_f1(predicted, wanted) == pytest.approx(expected, abs=1e-12)
    assert value(Entities(), "span_f1", text(rows)) == pytest.approx(100 * expected)
    found = [value(Entities(), name, text(rows)) for name in ("span_precision", "span_recall")]
    both = [100 * seqeval.precision_score(wanted, predicted), 100 * seqeval.recall_score(wanted, predicted)]
    assert found == pytest.approx(both)


@given(st.lists(TWO, min_size=1, max_size=6))
def test_span_f1_is_symmetric_and_best_on_itself(rows: list[tuple[list[str], list[str]]]) -> None:
    predicted, wanted = [row[0] for row in rows], [row[1] for row in rows]
    assert span_f1(predicted, wanted) == span_f1(wanted, predicted)
    assert span_f1(wanted, wanted) == float(any(map(spans, wanted)))
    assert value(Entities(), "span_f1", text(rows)) == value(Entities(), "span_f1", text(rows[::-1]))


def test_words_without_a_predicted_tag_are_outside() -> None:
    assert span_f1([["B-PER"]], [["B-PER", "O", "B-LOC"]]) == pytest.approx(2 / 3)
    assert span_f1([["B-PER", "O", "B-LOC"]], [["B-PER"]]) == pytest.approx(2 / 3)
    assert span_f1([[]], [[]]) == 0  # seqeval's choice


@given(st.lists(st.lists(st.tuples(st.sampled_from(UPOS), st.sampled_from(UPOS)), min_size=1), min_size=1, max_size=5))
def test_word_accuracy_is_of_all_words_together(rows: list[list[tuple[str, str]]]) -> None:
    flat = [pair for row in rows for pair in row]
    expected = sklearn.accuracy_score([wanted for _, wanted in flat], [found for found, _ in flat])
    found = value(Tags(), "word_accuracy", text([([a for a, _ in row], [b for _, b in row]) for row in rows]))
    assert found == pytest.approx(100 * expected)


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from("abcd")), min_size=1, max_size=30))
def test_macro_f1_is_scikit_learns(rows: list[tuple[str, str]]) -> None:
    predicted, wanted = [a for a, _ in rows], [b for _, b in rows]
    expected = sklearn.f1_score(wanted, predicted, average="macro", zero_division=0)
    assert macro_f1(predicted, wanted) == pytest.approx(expected, abs=1e-12)
    assert value(MacroF1(), "macro_f1", rows) == pytest.approx(100 * expected)


@given(st.lists(st.tuples(st.sampled_from([-1.5, 0.0, 0.25, 2.0, 3.5]), st.integers(0, 4)), min_size=2, max_size=20))
def test_ndcg_is_scikit_learns(rows: list[tuple[float, int]]) -> None:
    """Ties among them."""
    scores, gains = [a for a, _ in rows], [b for _, b in rows]
    expected = sklearn.ndcg_score([gains], [scores])
    assert ndcg(scores, gains) == pytest.approx(expected, abs=1e-12)
    line = (" ".join(map(str, scores)), " ".join(map(str, gains)))
    assert value(Ndcg(), "ndcg", [line]) == pytest.approx(100 * expected)


@given(st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=2, max_size=20), st.randoms())
def test_laws_of_ndcg(rows: list[tuple[float, int]], rng: random.Random) -> None:
    scores, gains = np.array([a for a, _ in rows]), np.array([b for _, b in rows])
    found = ndcg(scores, gains)
    assert -1e-12 <= found <= 1 + 1e-12
    assert ndcg(gains, gains) == pytest.approx(float(gains.any()))
    # Only the order of the scores counts, in whatever order the documents come.
    order = rng.sample(range(len(rows)), len(rows))
    ranks = np.unique(scores, return_inverse=True)[1]
    assert ndcg(ranks[order], gains[order]) == pytest.approx(found)


def test_xglues_rule_for_web_pages() -> None:
    """Rows of one query stand together; a query with one page is left out, one that comes again is another one."""
    queries = ["a", "a", "b", "c", "c", "c", "a", "a"]
    scores, gains = [0.2, 0.9, 1.0, 0.5, 0.5, 0.1, 1.0, 0.0], [3, 0, 4, 1, 0, 2, 1, 0]
    groups = [slice(0, 2), slice(3, 6), slice(6, 8)]
    expected = [sklearn.ndcg_score([gains[group]], [scores[group]]) for group in groups]
    assert xglue_ndcg(queries, scores, gains) == pytest.approx(np.mean(expected))
    rows = [(scores[group], gains[group]) for group in (*groups, slice(2, 3))]
    lines = [(" ".join(map(str, a)), " ".join(map(str, b))) for a, b in rows]
    assert value(Ndcg(), "ndcg", lines) == pytest.approx(100 * np.mean(expected))
    assert np.isnan(xglue_ndcg(["a"], [1.0], [1.0]))


@pytest.mark.parametrize("prediction", ["", "0.1", "0.1 0.2 0.3", "0.1 x", "0.1 nan"])
def test_scores_that_cannot_be_read_are_worth_nothing(prediction: str) -> None:
    assert value(Ndcg(), "ndcg", [(prediction, "1 0")]) == 0


@given(st.lists(st.tuples(*[st.integers(0, LARGEST)] * 3), max_size=20))
def test_packed_counts_come_out_as_they_went_in(rows: list[tuple[int, int, int]]) -> None:
    assert sums(np.array([pack(*row) for row in rows], dtype=float)) == tuple(
        sum(row[place] for row in rows) for place in range(3)
    )


def test_more_than_can_be_packed_is_an_error() -> None:
    with pytest.raises(InputError, match="131,072 words or spans"):
        pack(LARGEST + 1)


@pytest.mark.parametrize("metric", [Entities(), MacroF1(), Tags(), Ndcg()])
def test_intervals_hold_the_figure(metric: Metric) -> None:
    examples = [
        Example("th", "B-PER O", ("B-PER O",)),
        Example("th", "O B-LOC", ("B-PER O",)),
        Example("th", "1 2", ("0 1",)),
        Example("th", "2 1", ("0 1",)),
    ]
    for row in score(examples, [metric], "th", bootstrap=50):
        assert row.value is not None
        assert row.low is not None
        assert row.high is not None
        assert row.low <= row.value <= row.high
        assert isinstance(metric.figures[0], Figure)
