import math

import pytest

from xlgen.metrics.base import Example
from xlgen.metrics.lengths import LengthMetric

# language, prediction, references, (words predicted, words in references)
TABLE = [
    ("en", "the cat sat", ("the cat",), (3, 2)),
    ("fr", "l'été", ("un", "un deux quatre"), (2, 2)),
    ("zh", "猫在睡。", ("猫",), (3, 1)),
    ("ru", "", ("",), (0, 0)),
    ("ru", "кот", (), (1, math.nan)),
]


@pytest.mark.parametrize(("language", "prediction", "references", "expected"), TABLE)
def test_table(language: str, prediction: str, references: tuple[str, ...], expected: tuple[float, float]) -> None:
    found = LengthMetric().per_example([Example(language, prediction, references)])
    pair = (found["prediction_length"][0], found["reference_length"][0])
    assert pair == pytest.approx(expected, nan_ok=True)
