"""Translated outputs: which are translated, what is refused, and that right content in the wrong language scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from xlgen.core.config import Recipe
from xlgen.core.registry import InputError
from xlgen.data.tasks import load_task
from xlgen.decoding.translation import Translator
from xlgen.report.build import build_report
from xlgen.training.run import train

LANGUAGES = ("en", "fr")
COUNT = 4


class Marked(Translator):
    """Writes both languages before each text instead of translating it."""

    @classmethod
    def load(cls, name: str, languages: tuple[str, ...], num_beams: int = 1) -> Translator:
        return cls(None)  # type: ignore[arg-type]

    def _sentences(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        return [f"{source}>{target}: {text}" for text in texts]


def recipe(run: Path, **changes: Any) -> Recipe:
    baseline = {"name": "translate-outputs", "run": str(run), "translator": "pocket-nllb", **changes}
    evaluation = {"split": "test", "examples": COUNT, "languages": list(LANGUAGES), "bootstrap": 0}
    return Recipe.model_validate(
        {
            "name": "translated",
            "backbone": "pocket-mt5",
            "task": "pocket-summaries",
            "baseline": baseline,
            "report_as": "full-translated-output",
            "evaluation": evaluation,
        }
    )


def finished(folder: Path, predictions: Mapping[str, Sequence[str]], step: int = 2) -> Path:
    """The folder of a run that predicted these texts for the first examples of the test split."""
    whole = {"name": "high", "backbone": "pocket-mt5", "task": "pocket-summaries"}
    resolved = Recipe.model_validate(whole).model_dump(mode="json")
    (folder / "predictions" / f"step-{step}").mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"recipe": resolved}), encoding="utf-8")
    for language, texts in predictions.items():
        examples = load_task("pocket-summaries", Path()).examples(language, "test", len(texts))
        rows = [{"id": each.id, "prediction": text} for each, text in zip(examples, texts, strict=True)]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / "predictions" / f"step-{step}" / f"{language}.jsonl").write_text(lines, encoding="utf-8")
    return folder


def labels(language: str) -> list[str]:
    return [each.targets[0] for each in load_task("pocket-summaries", Path()).examples(language, "test", COUNT)]


def written(folder: Path, language: str) -> list[str]:
    lines = (folder / "predictions" / "step-0" / f"{language}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["prediction"] for line in lines]


@pytest.mark.parametrize("outputs", ["all", "wrong"])
def test_which_are_translated(outputs: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xlgen.training.baselines.translate_outputs.Translator", Marked)
    english, french = labels("en"), labels("fr")
    run = finished(tmp_path / "high", {"en": ["old"] * COUNT}, step=1)
    finished(tmp_path / "newer", {"en": english, "fr": [english[0], french[1], "", english[3]]}, step=10)
    (tmp_path / "newer" / "predictions" / "step-10").rename(run / "predictions" / "step-10")
    train(recipe(run, outputs=outputs), tmp_path / "translated")
    assert written(tmp_path / "translated", "en") == english, "what is in the outputs' own language stays"
    first, second, empty, last = written(tmp_path / "translated", "fr")
    assert first.startswith("en>fr: ") and last.startswith("en>fr: ")
    assert second.startswith("en>fr: ") == (outputs == "all")
    assert empty == ""


def test_what_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no predictions"):
        train(recipe(tmp_path / "nothing"), tmp_path / "a")
    run = finished(tmp_path / "high", {"en": labels("en")})
    with pytest.raises(InputError, match="no predictions in fr"):
        train(recipe(run), tmp_path / "b")
    few = finished(tmp_path / "few", {code: labels(code)[:2] for code in LANGUAGES})
    with pytest.raises(InputError, match="number of examples that the run was evaluated on"):
        train(recipe(few), tmp_path / "c")
    other = recipe(run).model_dump(mode="json")
    other["stages"][0]["task"] = "pocket-titles"
    with pytest.raises(InputError, match="was evaluated on the task pocket-summaries"):
        train(Recipe.model_validate(other), tmp_path / "d")


@pytest.mark.exhaustive
def test_right_content_in_the_wrong_language_scores_when_translated(tmp_path: Path) -> None:
    """With the pocket translator: summaries in English for French inputs, and summaries of other documents."""
    english = labels("en")
    right = finished(tmp_path / "right", {"en": english, "fr": english})
    wrong = finished(tmp_path / "wrong", {"en": english, "fr": [*english[1:], english[0]]})
    scores = {}
    for name, run in (("right", right), ("wrong", wrong)):
        folder = tmp_path / f"{name}-translated"
        train(recipe(run), folder)
        build_report(folder)
        rows = json.loads((folder / "summary.json").read_text())["rows"]
        french = {row["metric"]: row["value"] for row in rows if row["language"] == "fr"}
        assert french["correct_language_rate"] == 100
        scores[name] = french["rougeL"]
    assert scores["right"] > 50
    assert scores["right"] > scores["wrong"] + 10
