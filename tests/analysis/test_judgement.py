import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import pearsonr

from xlgen.analysis.judgement import AVERAGE, Judged, correlations, pearson, read, table
from xlgen.core.registry import InputError
from xlgen.metrics.ascii import Ascii
from xlgen.metrics.rouge import Rouge

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "multi_summeval" / "multi_summeval.jsonl"


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    if not DATA.exists():
        pytest.skip(f"real judgements are absent: {DATA}")
    return read(DATA)


def test_the_real_data_has_eight_languages_of_270(judged: list[Judged]) -> None:
    languages = [each.language for each in judged]
    assert {language: languages.count(language) for language in languages} == dict.fromkeys(
        ("de", "en", "es", "fr", "id", "ru", "tr", "zh"), 270
    )


def test_rouge_agrees_with_people_as_the_paper_says(judged: list[Judged]) -> None:
    rows = {(row.metric, row.judgement, row.language): row for row in correlations(judged, ["rougeL"])}
    # Table 9 gives SP-ROUGE .68 and .65; over words it is no less.
    assert rows["rougeL", "focus", AVERAGE].value > 0.68
    assert rows["rougeL", "coverage", AVERAGE].value > 0.65
    assert rows["rougeL", "focus", AVERAGE].n == 8
    # Focus is a judgement of precision, coverage one of recall.
    for judgement, mine, other in (("focus", "precision", "recall"), ("coverage", "recall", "precision")):
        assert (
            rows[f"rougeL.{mine}", judgement, AVERAGE].value > rows[f"rougeL.{other}", judgement, AVERAGE].value + 0.05
        )


def test_a_correlation_is_scipys_over_the_per_example_scores(judged: list[Judged]) -> None:
    turkish = [each for each in judged if each.language == "tr"]
    metric = Rouge(sentences="t5")
    rows = correlations(turkish, [metric])
    texts = [[each.prediction for each in turkish], [each.reference for each in turkish]]
    expected = pearsonr(metric.counts(*texts, "tr")["rougeLsum"].f1, [each.focus for each in turkish]).statistic
    keys = {(row.metric, row.judgement, row.language): row for row in rows}
    assert len(keys) == len(rows) == 4 * 3 * 2 * 2
    row = keys["rougeLsum", "focus", "tr"]
    assert row.value == pytest.approx(expected, abs=1e-12)
    assert row.n == 270
    assert row.signature.startswith("rougeLsum|tok:unicode-words-tr|stem:no|sent:t5")


def test_undefined_scores_are_left_out_and_constants_have_no_correlation() -> None:
    rows = [Judged("ru", text, "кот", number, 1.0) for number, text in enumerate(("a", "", "кот b", "bc", "ё"))]
    found = {(row.judgement, row.language): row for row in correlations(rows, ["ascii_rate"])}
    assert found["focus", "ru"].n == 4
    assert found["coverage", "ru"].value is None
    assert found["coverage", AVERAGE].value is None
    assert found["focus", "ru"].value == found["focus", AVERAGE].value
    assert found["focus", "ru"].signature == f"ascii_rate|{Ascii().signature('ru')}"


@pytest.mark.parametrize("values", [([], []), ([1.0], [2.0]), ([1.0, 1.0], [1.0, 2.0])])
def test_pearson_of_nothing(values: tuple[list[float], list[float]]) -> None:
    assert pearson(*map(np.array, values)) is None


def test_the_table_has_the_papers_layout() -> None:
    texts = enumerate(("chat", "x"))
    rows = [Judged(code, text, "chat", focus, -focus) for focus, text in texts for code in ("fr", "de")]
    lines = table(correlations(rows, ["rouge1"])).splitlines()
    assert lines[0] == ("| metric | focus DE | focus FR | focus avg. | coverage DE | coverage FR | coverage avg. |")
    assert lines[2] == "| rouge1 | -1.00 | -1.00 | -1.00 | 1.00 | 1.00 | 1.00 |"


def test_a_wrong_file_says_where(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read judgements"):
        read(tmp_path / "absent.jsonl")
    path = tmp_path / "rows.jsonl"
    row = {"lang": "fr", "pred": "", "gold": "", "focus": 1, "coverage": 1}
    for bad in ("[]", "{}", "not json", json.dumps({**row, "focus": "high"})):
        path.write_text(f"{json.dumps(row)}\n{bad}\n", encoding="utf-8")
        with pytest.raises(InputError, match=r"rows\.jsonl, line 2 is not a judged summary"):
            read(path)
