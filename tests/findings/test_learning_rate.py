"""C, section 4 and Figure 1, on the embedded default: a high rate answers in English, a lower one does not.

A smaller copy of the quickstart: the same base recipe with fewer steps and examples, so thresholds are looser than
those that the quickstart's own summary meets.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from xlgen.core.config import Recipe
from xlgen.core.shipped import shipped
from xlgen.core.yaml_config import override_keys, read_yaml
from xlgen.runs.rows import MEAN, collect
from xlgen.training.run import train

pytestmark = pytest.mark.exhaustive

# pytest shows these beside a failure
SMALLER = {
    "training.steps": 100,
    "evaluation.every": None,
    "evaluation.examples": 10,
    "evaluation.num_beams": 1,
    "evaluation.bootstrap": 0,
}


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[tuple[str, str], float]]:
    """(language, metric) -> value of two runs of the quickstart."""
    study = read_yaml(shipped(".")["quickstart"])
    torch.set_num_threads(1)
    found = {}
    for name in ("full-1e-2", "full-1e-4"):
        data = override_keys({**study["base"], "name": name}, {**study["runs"][name], **SMALLER})
        folder = tmp_path_factory.mktemp(name) / "run"
        train(Recipe.model_validate(data), Path(folder))
        found[name] = {(row["language"], row["metric"]): row["value"] for row in collect(folder)}
    return found


def test_a_high_rate_learns_english_and_forgets_the_rest(figures: dict[str, dict[tuple[str, str], float]]) -> None:
    high = figures["full-1e-2"]
    assert high["en", "rougeL"] > 60
    assert high["en", "correct_language_rate"] > 90
    assert high[MEAN, "correct_language_rate"] < 25


def test_a_lower_rate_answers_in_the_right_language(figures: dict[str, dict[tuple[str, str], float]]) -> None:
    high, best = figures["full-1e-2"], figures["full-1e-4"]
    assert best[MEAN, "correct_language_rate"] > 75
    assert best[MEAN, "rougeL"] > 1.5 * high[MEAN, "rougeL"]


def test_what_answers_in_english_makes_all_languages_alike(figures: dict[str, dict[tuple[str, str], float]]) -> None:
    """L, sections 3 and 5: where the encoder no longer tells languages apart, the decoder cannot."""
    high, best = figures["full-1e-2"], figures["full-1e-4"]
    others = ("fr", "es", "de", "vi", "tr", "ru", "ar", "hi", "th", "zh", "ja")
    assert sum(high[code, "xlrs"] > best[code, "xlrs"] for code in others) >= 8
    assert high[MEAN, "xlrs"] > best[MEAN, "xlrs"] + 0.1
