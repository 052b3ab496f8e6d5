"""Translate-Train: machine translations of labelled examples (Vu et al. 2022, section 2.2)."""

from __future__ import annotations

from pathlib import Path

from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import resolve
from xlgen.core.config import Stage, TranslateTrain
from xlgen.core.languages import Language
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task, interleave
from xlgen.decoding.translation import Translator
from xlgen.runs.stage_files import read_translations, write_translations


def translated(rows: list[LabelledExample], stage: Stage, task: Task, place: Path | None) -> list[LabelledExample]:
    """Translate an equal share of ``rows`` into each language, so that each example is used in one language.

    The translations are saved in ``place``, and read from there when a run resumes. Raises BackboneError for a language
    that the translator does not know.
    """
    config = stage.translate_train
    assert config is not None
    sources, targets = task.check_languages(stage.source_languages), targets_of(config, stage, task)
    if place is not None and (known := read_translations(place)) is not None:
        return known
    translator = Translator.load(config.translator, tuple(dict.fromkeys((*sources, *targets))), config.num_beams)
    shares = len(targets) + config.keep_source
    # The labels of a classification head are not translated.
    text = task.config.head is None
    parts = [translator.examples(rows[number::shares], code, text) for number, code in enumerate(targets)]
    if config.keep_source:
        parts.append(rows[shares - 1 :: shares])
    found = [row for row in interleave(parts, None) if row.source.strip() and row.targets[0].strip()]
    if place is not None:
        write_translations(place, found)
    return found


def targets_of(config: TranslateTrain, stage: Stage, task: Task) -> list[str]:
    """The languages to translate into. Raises BackboneError if there are none, or the translator does not exist."""
    resolve(config.translator)
    sources = task.check_languages(stage.source_languages)
    named = config.languages or stage.evaluation.languages or task.languages
    found = dict.fromkeys(Language.parse(text).code for text in named)
    targets = [code for code in found if code not in sources]
    if not targets:
        raise BackboneError("translate_train has no language to translate into: all are source languages")
    return targets
