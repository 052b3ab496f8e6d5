import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import xlgen
from xlgen.core.registry import UnknownNameError
from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge
from xlgen.metrics.score import choose, score, signature
from xlgen.metrics.subset import Subset

EXAMPLES = [
    Example("fr", "un chat noir", ("un chat noir",)),
    Example("fr", "un chien", ("un chat",)),
    Example("fr", "", ("un chat",)),
    Example("fr", "un chat"),
]


def test_a_row_is_the_mean_in_percent_over_the_defined_examples() -> None:
    [row] = score(EXAMPLES, ["rougeL"], "fra")
    assert (row.language, row.metric, row.n) == ("fr", "rougeL", 3)
    assert row.value == pytest.approx(50)
    assert row.low is not None
    assert row.high is not None
    assert row.low < 50 < row.high
    assert row.signature == f"rougeL|{Rouge().signature('fr')}|bs:1000|seed:0|xlgen:{xlgen.__version__}"


def test_lengths_are_not_scaled() -> None:
    rows = score(EXAMPLES, ["lengths"], "fr", bootstrap=0)
    assert [row.value for row in rows] == pytest.approx([7 / 4, 7 / 3])
    assert {row.low for row in rows} == {row.high for row in rows} == {None}


def test_nothing_to_score_gives_no_value() -> None:
    for examples in ([], [Example("fr", "un chat")]):
        [row] = score(examples, ["squad_em"], "fr")
        assert (row.value, row.low, row.high, row.n) == (None, None, None, 0)


@given(st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_examples_changes_nothing(chance: random.Random) -> None:
    names = ["rouge", "squad", "lengths", "leftovers", "ascii"]
    # Shares of 1 to 40 words: sums of such fractions round differently from order to order.
    examples = EXAMPLES + [Example("fr", "un chat " + "x " * more, ("un chat",)) for more in range(40)]
    shuffled = list(examples)
    chance.shuffle(shuffled)
    assert score(shuffled, names, "fr", bootstrap=20) == score(examples, names, "fr", bootstrap=20)


def test_names_of_metrics_and_of_figures_can_be_mixed() -> None:
    asked = ["rougeL", "rouge1", "lengths", "rougeL", Rouge(use_stemmer=True)]
    chosen = [(type(metric).__name__, [figure.name for figure in figures]) for metric, figures in choose(asked)]
    assert chosen == [
        ("Rouge", ["rougeL", "rouge1"]),
        ("LengthMetric", ["prediction_length", "reference_length"]),
        ("Rouge", [figure.name for figure in Rouge.figures]),
    ]


def test_wrong_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"unknown metric 'rougel'.*rougeL"):
        score(EXAMPLES, ["rougel"], "fr")
    with pytest.raises(UnknownNameError, match="unknown language"):
        score(EXAMPLES, ["rougeL"], "klingon")


def test_an_example_in_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match="'de', but all must be in 'fr'"):
        score([*EXAMPLES, Example("de", "eine Katze")], ["rougeL"], "fr")


def test_one_text_for_references_is_refused() -> None:
    with pytest.raises(TypeError, match="must be a tuple"):
        Example("fr", "un chat", "un chat")  # type: ignore[arg-type]


def test_a_subset_is_scored_alone_and_named() -> None:
    last = Subset("last", lambda examples: [number == len(examples) - 2 for number in range(len(examples))])
    [row] = score(EXAMPLES, ["empty_rate"], "fr", subset=last, bootstrap=10, seed=3)
    assert (row.value, row.n) == (100, 1)
    assert row.signature.endswith(f"|subset:last|bs:10|seed:3|xlgen:{xlgen.__version__}")


def test_a_signature_over_several_languages_joins_what_differs() -> None:
    [(metric, [figure])] = choose(["rougeL"])
    found = signature(metric, figure, ["fr", "th", "de"])
    assert found.startswith("rougeL|tok:unicode-chars+unicode-words|stem:no|")
    assert found.endswith(f"|xlgen:{xlgen.__version__}")
    assert signature(metric, figure, ["fr", "de"]) == signature(metric, figure, ["fr"])


def test_scoring_imports_neither_torch_nor_transformers() -> None:
    script = (
        "import sys; from xlgen.metrics.base import Example, metrics; from xlgen.metrics.score import score;"
        "local = sorted(set(metrics.names()) - {'sp_rouge', 'bertscore', 'comet'});"
        "score([Example('fr', 'un chat', ('un chat',))], local, 'fr');"
        "sys.exit(','.join({'torch', 'transformers'} & sys.modules.keys()) or None)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
