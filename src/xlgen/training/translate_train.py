"""Labels in every language by machine translation of the source language's (V, section 2.2: Translate-Train)."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import resolve
from xlgen.core.config import Stage, TranslateTrain
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task, interleave
from xlgen.decoding.translation import Translator
from xlgen.runs.event_log import write_atomically

_FILE = "translated.jsonl"


def translated(rows: list[LabelledExample], stage: Stage, task: Task, place: Path | None) -> list[LabelledExample]:
    """``rows`` with a share of them in each language, each in one; no example is used twice.

    What was translated is kept in ``place`` and read from there when a run is resumed. Raises BackboneError for a
    language that the translator lacks.
    """
    config = stage.translate_train
    assert config is not None
    sources, targets = task.check_languages(stage.source_languages), targets_of(config, stage, task)
    kept = place / _FILE if place else None
    if kept is not None and kept.exists():
        return [_example(json.loads(line)) for line in kept.read_text(encoding="utf-8").splitlines()]
    translator = Translator.load(config.translator, tuple(dict.fromkeys((*sources, *targets))), config.num_beams)
    shares = len(targets) + config.keep_source
    # The labels of a head are no text.
    text = task.config.head is None
    parts = [translator.examples(rows[number::shares], code, text) for number, code in enumerate(targets)]
    if config.keep_source:
        parts.append(rows[shares - 1 :: shares])
    found = [row for row in interleave(parts, None) if row.source.strip() and row.targets[0].strip()]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(kept, "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in found))
    return found


def targets_of(config: TranslateTrain, stage: Stage, task: Task) -> list[str]:
    """The languages to translate into, each once. Raises BackboneError where there are none, or no such translator."""
    resolve(config.translator)
    sources = task.check_languages(stage.source_languages)
    named = config.languages or stage.evaluation.languages or task.languages
    found = dict.fromkeys(Language.parse(text).code for text in named)
    targets = [code for code in found if code not in sources]
    if not targets:
        raise BackboneError("translate_train has no language to translate into: all are source languages")
    return targets


def _example(fields: JsonObject) -> LabelledExample:
    """A row of the file."""
    lists = {
        key: tuple(fields[key]) for key in ("targets", "croppable", "words", "tags") if fields.get(key) is not None
    }
    return LabelledExample(**{**fields, **lists})
