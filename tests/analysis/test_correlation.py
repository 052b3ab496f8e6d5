"""Spearman's correlation of XLRS and a metric, from the files of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from scipy.stats import spearmanr

from synthetic import LANGUAGES, write_run
from xlgen.analysis.correlation import spearman, xlrs_correlations
from xlgen.core.registry import InputError
from xlgen.runs.rows import MEAN, load_results


def track(folder: Path, steps: tuple[int, ...], sign: float) -> None:
    """Add XLRS to a run's log: it rises with the steps, or falls; a little differently in each language."""
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").split("\n")[:-1]
    for step in steps:
        for number, code in enumerate(LANGUAGES):
            if code != "en":
                value = 0.5 + sign * step / 2000 + 0.013 * number
                figure = {"event": "figure", "step": step, "language": code, "metric": "xlrs", "value": value, "n": 9}
                lines.append(json.dumps(figure))
    (folder / "metrics.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_rank_correlation_over_checkpoints_and_languages(tmp_path: Path) -> None:
    steps = (100, 200, 300, 400)
    for name, sign in (("down", -1.0), ("up", 1.0)):
        write_run(tmp_path / name, 20, 1, steps, method=name)
        track(tmp_path / name, steps, sign)
    results = load_results(tmp_path)
    found = {(each.run, each.language): each for each in xlrs_correlations(results, by_run=True)}
    assert found["up", "fr"].rho == pytest.approx(1) and found["up", "fr"].n == 4
    assert found["down", MEAN].rho == pytest.approx(-1) and found["down", MEAN].metric == "rougeL"
    both = found["all", "th"]
    values = [
        (results.value(run, "th", "xlrs", step), results.value(run, "th", "rougeL", step))
        for run in results.runs
        for step in steps
    ]
    reference = spearmanr(*zip(*values, strict=True))
    assert (both.rho, both.p, both.n) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue), 8)
    assert found["all", "pooled"].n == 8 * (len(LANGUAGES) - 1)
    assert not any(language == "en" for _, language in found)
    assert {each.run for each in xlrs_correlations(results)} == {"all"}


def test_where_it_is_not_defined() -> None:
    assert spearman([]) == spearman([(1.0, 2.0), (2.0, 3.0)]) == spearman([(1.0, 2.0)] * 4) == (None, None)
    assert spearman([(1.0, 5.0), (2.0, 5.0), (3.0, 5.0)]) == (None, None)


def test_runs_without_xlrs(study: Path) -> None:
    with pytest.raises(InputError, match=r"no evaluation has both XLRS and its main metric .*evaluation\.xlrs"):
        xlrs_correlations(load_results(study))
