import json
from pathlib import Path

import pytest

from synthetic import figures, write_run
from xlgen.report.drawing import Palette
from xlgen.report.groups import MANY, is_large, lines, mean_and_deviation, settings
from xlgen.runs.rows import load_results


def test_a_setting_is_what_differs_in_rate_and_seed_alone(study: Path) -> None:
    found = {line.label: line for line in settings(load_results(study))}
    assert list(found) == ["adapters", "full", "lead"]
    adapters = found["adapters"]
    # 26 beats 18 for seed 0; seed 1 has one rate only
    assert [(pick.run.name, pick.step) for pick in adapters.picks] == [
        ("adapters-1e-3", 600),
        ("adapters-1e-4-seed-1", 600),
    ]
    assert [run.name for run in adapters.tried] == ["adapters-1e-3", "adapters-1e-4", "adapters-1e-4-seed-1"]


def test_the_best_evaluation_is_picked_not_the_last(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 30)
    write_run(tmp_path / "b", 20, learning_rate=1e-3)
    log = tmp_path / "a" / "metrics.jsonl"
    log.write_text(log.read_text() + "\n" + "".join(json.dumps(event) + "\n" for event in figures(800, 25, 1)))
    results = load_results(tmp_path)
    (line,) = settings(results)
    assert [(pick.run.name, pick.step, pick.run.last_step) for pick in line.picks] == [("a", 600, 800)]
    assert line.values(results, ["en", "fr"], "rougeL") == [pytest.approx((45 + 30 + 0.37) / 2)]


def test_numbers_that_differ_are_named(tmp_path: Path) -> None:
    for length in (10, 100):
        write_run(tmp_path / f"p{length}", method="prompt", adaptation={"num_virtual_tokens": length})
    write_run(tmp_path / "full", backbone="other")
    found = {line.label: line.settings for line in settings(load_results(tmp_path))}
    assert found == {
        "full other": {},
        "prompt pocket-mt5 num_virtual_tokens=10": {"adaptation.num_virtual_tokens": 10},
        "prompt pocket-mt5 num_virtual_tokens=100": {"adaptation.num_virtual_tokens": 100},
    }


def test_few_runs_stand_for_themselves_and_many_for_their_setting(study: Path) -> None:
    assert len(lines(load_results(study))) == 6
    assert not is_large(load_results(study))
    for seed in range(2, MANY):
        write_run(study / "runs" / f"more-{seed}", seed=seed, steps=(600,))
    assert is_large(load_results(study))
    assert {line.label for line in lines(load_results(study))} == {"full", "adapters", "lead"}


def test_settle() -> None:
    assert mean_and_deviation([]) == (None, 0.0)
    assert mean_and_deviation([3.0]) == (3.0, 0.0)
    assert mean_and_deviation([1.0, 3.0]) == (2.0, pytest.approx(2**0.5))


def test_a_method_has_one_colour_and_backbones_have_marks(study: Path) -> None:
    palette = Palette(("full", "adapters"), several=True)
    assert palette.colour("full", 0) == palette.colour("full", 1) != palette.colour("adapters")
    assert palette.marker("full", 1) == palette.marker("adapters", 1) != palette.marker("full", 0)
    assert Palette.of(load_results(study).runs).methods == ("adapters", "full", "lead")


def test_runs_of_a_single_method_differ_in_colour() -> None:
    palette = Palette(("full",))
    assert palette.colour("full", 0) != palette.colour("full", 1)


def test_smaller_backbones_come_first(tmp_path: Path) -> None:
    for name, parameters in (("base", 600), ("large", 1200), ("small", 300)):
        write_run(tmp_path / name, backbone=f"google/mt5-{name}", start={"parameters": parameters})
    assert [line.label for line in settings(load_results(tmp_path))] == [
        "full mt5-small",
        "full mt5-base",
        "full mt5-large",
    ]
