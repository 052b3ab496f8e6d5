"""Corpus TER: equal to sacreBLEU on real text in many scripts, with its options and its signature."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sacrebleu

import xlgen
from xlgen.metrics.base import Example
from xlgen.metrics.score import score

FILES = {"en": "eng", "ru": "rus", "ar": "arb", "hi": "hin", "th": "tha", "zh": "zho-CN", "ja": "jpn"}
ASIAN = {"normalized": True, "asian_support": True}


@pytest.mark.spread(20)
@pytest.mark.parametrize("references", [1, 2])
@pytest.mark.parametrize("options", [{}, ASIAN, {"normalized": True, "no_punct": True}, {"case_sensitive": True}])
@pytest.mark.parametrize("code", FILES)
def test_real_text_has_sacrebleus_score_and_signature(
    shared: Callable[[str], Path], code: str, options: dict[str, Any], references: int
) -> None:
    lines = shared(f"ntrex128/{FILES[code]}.txt").read_text(encoding="utf-8").split("\n")[:13]
    pairs = list(zip(lines[1:], lines, strict=False))
    rows = [
        {"language": code, "prediction": text[row % 5 : 60], "references": [text[:60], before[:60]][:references]}
        for row, (text, before) in enumerate(pairs)
    ]
    scorer = sacrebleu.metrics.TER(**options)
    streams = [[row["references"][number] for row in rows] for number in range(references)]
    value = scorer.corpus_score([row["prediction"] for row in rows], streams).score
    [found] = xlgen.score(rows, [{"name": "ter", **options}], bootstrap=50)
    assert found["value"] == pytest.approx(value, abs=1e-9)
    assert found["signature"] == f"ter|{scorer.get_signature()}|bs:50|seed:0|xlgen:{xlgen.__version__}"
    assert found["low"] <= found["value"] <= found["high"]


def test_lower_is_better_and_more_than_all_may_be_wrong() -> None:
    def ter(prediction: str, *references: str) -> float | None:
        return score([Example("ru", prediction, references)], ["ter"], "ru", bootstrap=0)[0].value

    assert ter("Дети пошли в школу", "Дети пошли в школу") == 0
    assert ter("а б в г", "д") == 400
    assert ter("", "д е") == 100
    assert ter("x", "") == 100
    assert ter("x") is None
