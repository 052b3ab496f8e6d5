from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu

import xlgen
from xlgen.metrics.base import Example
from xlgen.metrics.chrf import Chrf
from xlgen.metrics.score import score


@pytest.mark.parametrize("word_order", [0, 2])
@pytest.mark.parametrize(("code", "name"), [("th", "tha"), ("ar", "arb"), ("hi", "hin"), ("ja", "jpn"), ("ru", "rus")])
def test_real_lines_have_sacrebleus_score(shared: Callable[[str], Path], code: str, name: str, word_order: int) -> None:
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:31]
    examples = [Example(code, one[:60], (other, one)) for one, other in pairwise(lines)]
    theirs = [
        sacrebleu.sentence_chrf(each.prediction, list(each.references), word_order=word_order).score
        for each in examples
    ]
    ours = Chrf(word_order=word_order).per_example(examples)["chrf"]
    np.testing.assert_allclose(ours * 100, theirs, rtol=0, atol=1e-12)
    assert (ours > 0).all()


@pytest.mark.exhaustive
def test_hostile_text_is_scored() -> None:
    texts = ["", "\ud800", "\x00", "\n", "x" * 100_000]
    found = Chrf().per_example([Example("th", one, (other,)) for one in texts for other in texts])["chrf"]
    assert ((found >= 0) & (found <= 1)).all()
    assert np.isnan(Chrf().per_example([Example("th", "x")])["chrf"]).all()


def test_signature() -> None:
    assert Chrf().signature("th") == f"nc:6|nw:0|beta:2|level:sentence|sacrebleu:{sacrebleu.__version__}"


@pytest.mark.spread(12)
@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("options", [{}, {"word_order": 2}, {"lowercase": True, "whitespace": True}, {"char_order": 4}])
@pytest.mark.parametrize(("code", "name"), [("th", "tha"), ("ar", "arb"), ("hi", "hin"), ("ja", "jpn"), ("ru", "rus")])
def test_the_figure_of_a_corpus_is_sacrebleus_with_its_signature(
    shared: Callable[[str], Path], code: str, name: str, options: dict[str, Any], references: int
) -> None:
    lines = shared(f"ntrex128/{name}.txt").read_text(encoding="utf-8").split("\n")[:31]
    examples = [Example(code, one[:60], (other, one)[:references]) for one, other in pairwise(lines)]
    scorer = sacrebleu.metrics.CHRF(**options)
    streams = [list(stream) for stream in zip(*(each.references for each in examples), strict=True)]
    value = scorer.corpus_score([each.prediction for each in examples], streams).score
    rows = {row.metric: row for row in score(examples, [{"name": "chrf", **options}], code, bootstrap=100)}
    found = rows["chrf_corpus"]
    assert found.value == pytest.approx(value, abs=1e-9)
    assert found.signature == f"chrf_corpus|{scorer.get_signature()}|bs:100|seed:0|xlgen:{xlgen.__version__}"
    assert found.low is not None and found.high is not None and found.low < found.value < found.high
    assert "level:sentence" in rows["chrf"].signature
    assert rows["chrf"].value != pytest.approx(value, abs=1e-3)
