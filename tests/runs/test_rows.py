import json
from pathlib import Path

import pytest

from synthetic import LANGUAGES, STEPS, write_run
from xlgen.runs.rows import MEAN, collect, load_results, write_summary

ABOUT = {"backbone", "method", "learning_rate", "seed", "step", "task", "language", "metric", "signature", "run"}


def test_every_row_has_the_one_shape(study: Path) -> None:
    for row in collect(study):
        assert set(row) == ABOUT | {"value", "low", "high", "n"}


def test_every_figure_has_its_row(study: Path) -> None:
    rows = collect(study)
    languages = len(LANGUAGES) + 1  # and the mean
    assert len(rows) == 8 * languages * (5 * len(STEPS) + 1)
    row = next(
        r for r in rows if (r["run"], r["step"], r["language"], r["metric"]) == ("full-1e-3", 600, "fr", "rougeL")
    )
    assert row["value"] == pytest.approx(24.37)
    assert (row["low"], row["high"], row["n"]) == pytest.approx((23.12, 25.62, 40))
    assert row["signature"] == "rougeL|test:1"


def test_the_mean_leaves_out_the_source_languages(tmp_path: Path) -> None:
    write_run(tmp_path / "run", strength=20, source_languages=["en", "fr"])
    results = load_results(tmp_path / "run")
    row = results.at(results.runs[0], MEAN, "rougeL")
    others = [results.value(results.runs[0], code, "rougeL") for code in LANGUAGES if code not in ("en", "fr")]
    assert row is not None
    assert row["value"] == pytest.approx(sum(v for v in others if v is not None) / 10)
    assert row["low"] is row["high"] is None
    assert row["n"] == 10 * 40
    assert row["signature"] == "mean-of:es,de,vi,tr,ru,ar,hi,th,zh,ja"


def test_a_figure_that_is_not_defined_stays_out_of_the_mean(tmp_path: Path) -> None:
    write_run(tmp_path / "run", steps=(200,))
    log = tmp_path / "run" / "metrics.jsonl"
    event = {"event": "figure", "step": 200, "metric": "mlqa_f1", "low": None, "high": float("inf"), "n": 3}
    lines = [json.dumps({**event, "language": code, "value": v}) for code, v in [("fr", float("nan")), ("es", 40.0)]]
    log.write_text(log.read_text() + "\n" + "\n".join(lines))
    results = load_results(tmp_path / "run")
    run = results.runs[0]
    assert results.value(run, MEAN, "mlqa_f1") == 40
    assert results.at(run, "fr", "mlqa_f1") is not None
    assert results.value(run, "fr", "mlqa_f1") is None

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} in summary.json")

    text = write_summary(tmp_path / "run").read_text(encoding="utf-8")
    assert json.loads(text, parse_constant=refuse)["rows"] == collect(tmp_path / "run")


def test_a_run_in_its_source_language_alone_has_no_mean(tmp_path: Path) -> None:
    write_run(tmp_path / "run", source_languages=list(LANGUAGES))
    assert all(row["language"] != MEAN for row in collect(tmp_path))


def test_source_languages_come_first(tmp_path: Path) -> None:
    write_run(tmp_path / "run", source_languages=["fra_Latn"])
    assert load_results(tmp_path).languages()[:3] == ["fr", "en", "es"]
