from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.chrf import Chrf

sacrebleu = pytest.importorskip("sacrebleu", reason="the extra chrf is not installed")


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


def test_hostile_text_is_scored() -> None:
    texts = ["", "\ud800", "\x00", "\n", "x" * 100_000]
    found = Chrf().per_example([Example("th", one, (other,)) for one in texts for other in texts])["chrf"]
    assert ((found >= 0) & (found <= 1)).all()
    assert np.isnan(Chrf().per_example([Example("th", "x")])["chrf"]).all()


def test_signature() -> None:
    assert Chrf().signature("th") == f"nc:6|nw:0|beta:2|level:sentence|sacrebleu:{sacrebleu.__version__}"
