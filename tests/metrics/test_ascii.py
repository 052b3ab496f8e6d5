import math

import pytest

from xlgen.metrics.ascii import ascii_share


@pytest.mark.parametrize(
    ("text", "expected"),
    [("cat 5!", 1.0), ("кот", 0.0), ("кот cat", 4 / 7), ("été", 1 / 3), ("", math.nan), ("\ud800", 0.0)],
)
def test_table(text: str, expected: float) -> None:
    assert ascii_share(text) == pytest.approx(expected, nan_ok=True)
