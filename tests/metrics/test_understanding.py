"""Figures of understanding tasks: equal to seqeval and scikit-learn, and the laws that they keep to."""

import random
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval import metrics as seqeval
from seqeval.metrics.sequence_labeling import get_entities
from sklearn import metrics as sklearn

from xlgen.core.registry import InputError
from xlgen.data.tasks import groups
from xlgen.metrics.base import Example, Metric, MetricSpec
from xlgen.metrics.bootstrap import interval
from xlgen.metrics.entities import Entities, span_f1, spans
from xlgen.metrics.macro_f1 import MacroF1, macro_f1
from xlgen.metrics.packed import LARGEST, pack, sums
from xlgen.metrics.ranking import Ndcg, ndcg
from xlgen.metrics.score import score
from xlgen.metrics.tags import TagAccuracy
from xlgen.metrics.web_pages import WebPages
from xlgen.scoring.figures import compare
from xlgen.scoring.stream import BadRows, collect, entries, mapping_records

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


def test_entities_may_be_written_as_text() -> None:
    """L's format: a sentinel before each tag, some of which an output may lack."""
    wanted = "<extra_id_0>B-PER <extra_id_1>I-PER <extra_id_2>O <extra_id_3>B-LOC"
    told = "<extra_id_0>B-PER <extra_id_1>I-PER <extra_id_3>B-LOC <extra_id_4>B-ORG"
    plain = [("B-PER I-PER O B-LOC B-ORG", "B-PER I-PER O B-LOC")]
    for reference in (wanted, plain[0][1]):
        assert value(Entities(), "span_f1", [(told, reference)]) == value(Entities(), "span_f1", plain)
        assert value(Entities(), "span_f1", [(wanted, reference)]) == 100


def test_words_without_a_predicted_tag_are_outside() -> None:
    assert span_f1([["B-PER"]], [["B-PER", "O", "B-LOC"]]) == pytest.approx(2 / 3)
    assert span_f1([["B-PER", "O", "B-LOC"]], [["B-PER"]]) == pytest.approx(2 / 3)
    assert span_f1([[]], [[]]) == 0  # seqeval's choice


@given(st.lists(st.lists(st.tuples(st.sampled_from(UPOS), st.sampled_from(UPOS)), min_size=1), min_size=1, max_size=5))
def test_word_accuracy_is_of_all_words_together(rows: list[list[tuple[str, str]]]) -> None:
    flat = [pair for row in rows for pair in row]
    expected = sklearn.accuracy_score([wanted for _, wanted in flat], [found for found, _ in flat])
    found = value(TagAccuracy(), "word_accuracy", text([([a for a, _ in row], [b for _, b in row]) for row in rows]))
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


def xglues_rule(queries: list[str], predicted: list[int], right: list[int]) -> float:
    """Web page ranking in XGLUE's evaluation, written anew: a query's number rises with every line that begins with
    another query than the one before; of each number with two lines or more scikit-learn's figure; their mean."""
    lines: dict[int, list[tuple[int, int]]] = {}
    number, before = 0, queries[0]
    for query, *grades in zip(queries, predicted, right, strict=True):
        number += query != before
        before = query
        lines.setdefault(number, []).append((grades[0], grades[1]))
    several = [rows for rows in lines.values() if len(rows) > 1]
    return float(np.mean([sklearn.ndcg_score([[b for _, b in rows]], [[a for a, _ in rows]]) for rows in several]))


@given(
    st.lists(st.tuples(st.sampled_from("กขค"), st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=40),
    st.randoms(),
)
def test_web_pages_are_ranked_by_xglues_rule(rows: list[tuple[str, int, int]], rng: random.Random) -> None:
    """Whatever the order of the documents, once the task's data have said which group each is of."""
    queries, predicted, right = (list(column) for column in zip(*rows, strict=True))
    named = groups(queries)
    examples = [
        Example("th", str(a), (str(b),), group=group) for group, a, b in zip(named, predicted, right, strict=True)
    ]
    several = sum(count > 1 for count in Counter(named).values())
    (found,) = score(rng.sample(examples, len(examples)), ["xglue_ndcg"], "th", bootstrap=0)
    assert found.n == several
    if not several:
        assert found.value is None
        return
    assert found.value == pytest.approx(100 * xglues_rule(queries, predicted, right))
    queries_of = [(x, y) for x, y in rows_of(named, predicted, right).values() if len(x) > 1]
    lines = [(" ".join(map(str, a)), " ".join(map(str, b))) for a, b in queries_of]
    assert value(Ndcg(), "ndcg", lines) == pytest.approx(found.value), "a query a row"


def rows_of(named: list[str], predicted: list[int], right: list[int]) -> dict[str, tuple[list[int], list[int]]]:
    found: dict[str, tuple[list[int], list[int]]] = {}
    for name, a, b in zip(named, predicted, right, strict=True):
        first, second = found.setdefault(name, ([], []))
        first.append(a)
        second.append(b)
    return found


def test_the_interval_of_web_pages_is_of_queries() -> None:
    """As of the mean of the queries' figures, and not of documents, of which a query has several."""
    rng = random.Random(0)
    examples = [
        Example("zh", str(rng.randrange(5)), (str(rng.randrange(5)),), group=str(n // 6)) for n in range(6 * 150)
    ]
    (row,) = score(examples, ["xglue_ndcg"], "zh", bootstrap=500)
    (figure,) = WebPages.figures
    assert figure.units is not None
    figures = figure.units(WebPages().per_example(examples)["xglue_ndcg"])
    assert row.n == len(figures) == 150
    assert (row.low, row.high) == interval(figures, 500, 0, 100.0)
    better = [replace(example, prediction=example.references[0]) for example in examples]
    rows = [
        {"id": str(n), "language": "zh", "prediction": e.prediction, "references": list(e.references), "group": e.group}
        for found in (examples, better)
        for n, e in enumerate(found)
    ]
    (paired,) = compare_rows(rows[: len(examples)], rows[len(examples) :])
    assert (paired["n"], paired["second"]) == (150, 100.0)
    assert paired["first"] == pytest.approx(row.value)


def compare_rows(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[dict[str, Any]]:
    both = [
        collect(entries(mapping_records(rows), BadRows(strict=True)), metrics=["xglue_ndcg"])
        for rows in (first, second)
    ]
    return compare(*both, bootstrap=50)[0]


def test_an_output_that_is_no_grade_stands_behind_all_others() -> None:
    of = [("x", "0"), ("0", "4"), ("3.0", "1")]
    examples = [Example("en", told, (right,), group="a") for told, right in of]
    (row,) = score(examples, ["xglue_ndcg"], "en", bootstrap=0)
    assert row.value == pytest.approx(100 * sklearn.ndcg_score([[0, 4, 1]], [[-1, 0, 3]]))
    assert np.isnan(
        WebPages().per_example([Example("en", "1", ("good",), group="a"), Example("en", "1", ("1",))])["xglue_ndcg"]
    ).all()


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


@pytest.mark.parametrize("metric", [Entities(), MacroF1(), TagAccuracy(), Ndcg()])
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
        assert isinstance(metric.figures[0], MetricSpec)
