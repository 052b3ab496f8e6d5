"""Criteria on runs with known figures."""

from dataclasses import replace
from pathlib import Path

import pytest

from synthetic import write_run
from xlgen.experiments.criteria import LANGUAGE_RATE, best_step, criteria
from xlgen.runs.rows import Results, load_results


@pytest.fixture
def results(tmp_path: Path) -> Results:
    """One run that answers in the wrong language in part: 70, 71, ... 81 percent of eleven languages."""
    write_run(tmp_path / "run", strength=24, wrong=30)
    return load_results(tmp_path / "run")


OTHERS = range(1, 12)
RATE = sum(100 - 30 - number for number in OTHERS) / 11


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ("target", 24 * 400 / 600 + sum(0.37 * number for number in OTHERS) / 11),
        ({"name": "target", "metric": "rouge1"}, 24 * 400 / 600 + 4 + sum(0.37 * number for number in OTHERS) / 11),
        ("source", 24 * 400 / 600 * 1.5),
        ("language-rate", RATE),
        ({"name": "label-free", "threshold": 95}, RATE - 1_000),
        ({"name": "label-free", "threshold": RATE - 0.01}, 24 * 400 / 600 * 1.5),
    ],
)
def test_scores(results: Results, config: object, wanted: float) -> None:
    (run,) = results.runs
    assert criteria.build(config).score(results, run, 400) == pytest.approx(wanted)  # type: ignore[arg-type]


def test_what_was_not_measured_scores_nothing(results: Results) -> None:
    (run,) = results.runs
    for name in criteria.names():
        criterion = criteria.build(name)
        assert criterion.score(results, run, 401) < -900
    assert criteria.build("xlrs").score(results, run, 400) == float("-inf")
    assert best_step(criteria.build("xlrs"), results, run).step == 600


def test_labels_are_in_no_language(results: Results) -> None:
    """Runs under a head have no rate of outputs in the right language, and are chosen by the source alone."""
    (run,) = results.runs
    head = replace(run, figures=tuple(each for each in run.figures if each["metric"] != LANGUAGE_RATE))
    found = criteria.build({"name": "label-free", "threshold": 95}).score(results, head, 400)
    assert found == pytest.approx(24 * 400 / 600 * 1.5)


def test_the_last_of_equal_steps_is_best(results: Results) -> None:
    (run,) = results.runs
    assert best_step(criteria.build("language-rate"), results, run).step == 600
    assert best_step(criteria.build("target"), results, run).step == 600


def test_only_the_target_criterion_looks_at_target_labels() -> None:
    assert [name for name in criteria.names() if criteria.get(name).needs_target_labels] == ["target"]
