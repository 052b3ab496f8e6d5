import importlib.util
import os

import numpy as np
import pytest

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.comet import Comet

INSTALLED = importlib.util.find_spec("comet") is not None
EXAMPLES = [
    Example("ru", "Кот спит.", ("Кошка спит.", "Кот спит."), input="The cat sleeps."),
    Example("ru", "Кот спит.", ("Кот спит.",)),
    Example("ru", "Кот спит.", input="The cat sleeps."),
]


@pytest.mark.skipif(INSTALLED, reason="unbabel-comet is installed")
def test_without_the_package_it_is_named() -> None:
    with pytest.raises(InputError, match=r"needs the package unbabel-comet.*numpy<2 and transformers<5"):
        Comet().per_example(EXAMPLES)
    with pytest.raises(InputError, match="needs the package"):
        Comet().signature("ru")


def test_nothing_is_loaded_where_nothing_can_be_scored() -> None:
    assert np.isnan(Comet().per_example(EXAMPLES[1:])["comet"]).all()


@pytest.mark.skipif(not INSTALLED, reason="unbabel-comet 2.2.7 cannot be installed beside numpy 2 and transformers 5")
@pytest.mark.skipif("COMET_CHECKPOINT" not in os.environ, reason="COMET_CHECKPOINT names no local checkpoint")
def test_scores_are_the_librarys() -> None:
    import comet

    path = os.environ["COMET_CHECKPOINT"]
    found = Comet(path).per_example(EXAMPLES)["comet"]
    rows = [{"src": "The cat sleeps.", "mt": "Кот спит.", "ref": each} for each in EXAMPLES[0].references]
    theirs = comet.load_from_checkpoint(path).predict(rows, gpus=0)["scores"]
    assert found[0] == pytest.approx(max(theirs), abs=1e-5)
    assert np.isnan(found[1:]).all()
