"""Training on translated labels: who is translated into what, and that it is done once."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from xlgen.backbones.base import Backbone, BackboneError
from xlgen.core.config import Stage, Training
from xlgen.data.tasks import load_task
from xlgen.decoding.translation import Translator
from xlgen.training.mixture import labelled
from xlgen.training.translate_train import translated

CALLS: list[str] = []


class Marked(Translator):
    """Writes the target language before each sentence instead of translating it."""

    @classmethod
    def load(cls, name: str, languages: tuple[str, ...], num_beams: int = 1) -> Translator:
        CALLS.append(name)
        return cls(None)  # type: ignore[arg-type]

    def _sentences(self, texts: Sequence[str], source: str, target: str) -> list[str]:
        return [f"{target}:{text}" for text in texts]


@pytest.fixture(autouse=True)
def _marked(monkeypatch: pytest.MonkeyPatch) -> None:
    CALLS.clear()
    monkeypatch.setattr("xlgen.training.translate_train.Translator", Marked)


def stage(**changes: Any) -> Stage:
    config = {"translator": "some/translator", **changes}
    return Stage.model_validate(
        {"task": "pocket-qa", "translate_train": config, "evaluation": {"languages": ["en", "fr", "ru"]}}
    )


@pytest.mark.parametrize("keep", [True, False])
def test_each_example_is_used_once_in_one_language(keep: bool, tmp_path: Path) -> None:
    task = load_task("pocket-qa", Path())
    rows = task.examples("en", "train", 30)
    found = translated(rows, stage(keep_source=keep), task, tmp_path)
    assert sorted(row.id for row in found) == sorted(row.id for row in rows)
    assert Counter(row.language for row in found) == ({"en": 10, "fr": 10, "ru": 10} if keep else {"fr": 15, "ru": 15})
    for row in found:
        if row.language != "en":
            assert row.source.startswith(f"{row.language}:") and row.targets[0].startswith(f"{row.language}:")
            assert row.croppable is not None
            assert row.source[slice(*row.croppable)].startswith(f"{row.language}:")
    again = translated(rows, stage(keep_source=keep), task, tmp_path)
    assert again == found
    assert CALLS == ["some/translator"], "read from the file the second time"


def test_languages_may_be_named() -> None:
    task = load_task("pocket-qa", Path())
    found = translated(task.examples("en", "train", 6), stage(languages=["th"], keep_source=False), task, None)
    assert {row.language for row in found} == {"th"}


def test_nothing_to_translate_into() -> None:
    task = load_task("pocket-qa", Path())
    with pytest.raises(BackboneError, match="no language to translate into"):
        translated(task.examples("en", "train", 6), stage(languages=["en"]), task, None)


def test_translations_that_run_on_are_dropped_and_counted(
    monkeypatch: pytest.MonkeyPatch, any_backbone: Backbone, tmp_path: Path
) -> None:
    task = load_task("pocket-qa", Path())
    answers = {row.targets[0] for row in task.examples("en", "train", 6)}

    def run_on(self: Any, texts: Sequence[str], source: str, target: str) -> list[str]:
        return [text * 40 if text in answers else text for text in texts]

    monkeypatch.setattr(Marked, "_sentences", run_on)
    recipe = stage(languages=["fr"]).model_copy(update={"training": Training(train_examples=6)})
    found, report, _ = labelled(recipe, task, any_backbone, place=tmp_path)
    assert report.dropped_targets == 3
    assert [example.language for example in found] == ["en"] * 3
