"""What a vocabulary cannot write is counted by language, named, and warned of."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from xlgen.backbones.base import Backbone
from xlgen.core.config import Recipe, validate
from xlgen.core.registry import InputError
from xlgen.data.examples import Record
from xlgen.data.readers import DataError
from xlgen.data.tasks import load_task
from xlgen.evaluation.coverage import Coverage, measure, warn
from xlgen.training.run import train


def test_unknown_characters_are_counted_and_named(backbone_of: Callable[[str], Backbone]) -> None:
    backbone = backbone_of("nllb")
    found = measure({"zh": ["《书》", "书"], "en": ["A book.\nTwo."]}, backbone)
    assert (found["zh"].unknown, found["zh"].characters.keys()) == (2, {"《", "》"})
    assert found["zh"].tokens == sum(len(backbone.tokenize(text)) for text in ("《书》", "书"))
    assert (found["en"].share, found["en"].with_newlines, found["en"].texts) == (0.0, 1, 1)


@pytest.mark.parametrize(("unknown", "warned"), [(4, False), (5, False), (6, True)])
def test_more_than_half_a_percent_is_warned_of(unknown: int, warned: bool, caplog: pytest.LogCaptureFixture) -> None:
    coverage = Coverage(texts=3, tokens=1000, unknown=unknown)
    coverage.characters["《"] = unknown
    with caplog.at_level(logging.WARNING):
        warn({"th": coverage, "en": Coverage()}, "a-model", "labelled text")
    assert ("of the tokens of labelled text in th are unknown to a-model" in caplog.text) == warned
    assert caplog.text.count("unknown to") == warned


def _task(folder: Path, separator: str | None) -> str:
    rows = [{"text": "Rain.\nSnow.", "title": "Rain\r\nin town", "id": "1"}] * 4
    for language in ("en", "fr"):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"data.{language}.jsonl").write_text(text, encoding="utf-8")
    task = {
        "reader": {"name": "jsonl", "path": str(folder / "{split}.{language}.jsonl")},
        "languages": ["en", "fr"],
        "source": "sum: {text}",
        "target": "title",
        "metrics": ["rougeL"],
        "main_metric": "rougeL",
        "splits": {"train": "data", "validation": "data", "test": "data"},
        **({"line_separator": separator} if separator else {}),
    }
    (folder / "task.yaml").write_text(yaml.safe_dump(task), encoding="utf-8")
    return str(folder / "task.yaml")


@pytest.mark.spread(1)
@pytest.mark.parametrize("separator", [None, "|", "<n>"])
def test_newlines_become_spaces_or_come_back(
    separator: str | None, checkpoint: Callable[[str], Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Inputs, labels and outputs of a run; `control: labels` makes the untrained model write the label."""
    name = _task(tmp_path, separator)
    task = load_task(name, Path())
    (example, *_) = task.examples("en", "train")
    between = f" {separator} " if separator else "\n"
    assert example.source == f"sum: Rain.{between}Snow."
    label = "Rain | in town" if separator == "|" else "Rain <n> in town" if separator else "Rain in town"
    evaluation = {"languages": ["fr"], "bootstrap": 0, "control": {"name": "labels", "labels": [label]}}
    stage = {"task": name, "training": {"steps": 1}, "evaluation": evaluation}
    recipe = validate(Recipe, {"name": "r", "backbone": str(checkpoint("mt5")), "stages": [stage]}, "here")
    with caplog.at_level(logging.WARNING):
        train(recipe, tmp_path / "run")
    assert ("4 of 4 labels contain newlines, which become spaces" in caplog.text) == (separator is None)
    text = (tmp_path / "run/predictions/step-1/fr.jsonl").read_text(encoding="utf-8")
    row = json.loads(text.splitlines()[0])
    assert row["prediction"] == ("Rain\nin town" if separator else "Rain in town")
    if separator:
        assert (row["input"], row["references"]) == ("sum: Rain.\nSnow.", ["Rain\nin town"])


def test_text_that_holds_the_separator_is_refused(tmp_path: Path) -> None:
    task = load_task(_task(tmp_path, "n"), Path())
    with pytest.raises(DataError, match=r"data\.en\.jsonl, line 1: the text has 'n', the line_separator"):
        task.examples("en", "train")


def test_text_that_tokenizers_write_as_the_separator_is_refused(tmp_path: Path) -> None:
    task = load_task(_task(tmp_path, "|"), Path())
    record = Record({"text": "a ｜ b", "title": "c"}, "here")
    with pytest.raises(DataError, match="the line_separator"):
        task.on_one_line(record)


@pytest.mark.spread(1)
@pytest.mark.parametrize("separator", ["｜", "…", "½"])
def test_a_separator_that_is_written_otherwise_is_refused(
    separator: str, hub_checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    """mT5 would write ``|``, ``...`` and ``1⁄2``, and newlines would be lost."""
    stage = {"task": _task(tmp_path, separator), "training": {"steps": 1}, "evaluation": {"languages": ["fr"]}}
    recipe = validate(Recipe, {"name": "r", "backbone": str(hub_checkpoint("mt5")), "stages": [stage]}, "here")
    with pytest.raises(InputError, match="writes the task's line_separator"):
        train(recipe, tmp_path / "run")


def test_only_fields_that_are_read_may_not_hold_the_separator(tmp_path: Path) -> None:
    task = load_task(_task(tmp_path, "|"), Path())
    record = Record({"text": "a\nb", "title": "c", "url": "x|y"}, "row 1")
    assert task.example(record, "en", 0, labelled=True).source == "sum: a | b"
