"""The tokens that a recipe's ``backbone.trim`` keeps, chosen once for all of its stages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from xlgen.backbones.trimming.corpus import read_corpus
from xlgen.backbones.trimming.record import TrimRecord, record_of
from xlgen.backbones.trimming.selection import select
from xlgen.backbones.trimming.source import Corpus, open_source
from xlgen.backbones.trimming.trim import record_of_choice
from xlgen.core.config import Recipe, Stage, TrimConfig
from xlgen.core.languages import Language
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT
from xlgen.data.readers import UNLABELLED
from xlgen.data.tasks import task_of_stage
from xlgen.evaluation.evaluate import evaluation_examples
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import newest_checkpoint
from xlgen.training.context import StageContext
from xlgen.training.mixture import resolve_unlabelled


def trim_of(context: StageContext) -> TrimRecord | None:
    """What a stage's backbone keeps; None if the recipe does not trim it, or an earlier stage has saved the model.

    A checkpoint that the stage continues from decides, so that the tokens stay the same if the corpus changes.

    Raises InputError if the backbone cannot be trimmed as the recipe asks.
    """
    config = context.recipe.backbone.trim
    if config is None or context.backbone != context.recipe.backbone.name:
        return None
    for folder in (context.place, context.earlier):
        checkpoint = None if folder is None else newest_checkpoint(folder) or folder
        if checkpoint is not None and (checkpoint / ABOUT).is_file() and (saved := read_about(checkpoint).trim):
            return replace(record_of(saved, str(checkpoint / ABOUT)), source=context.backbone)
    return choose(context.recipe, config)


def choose(recipe: Recipe, config: TrimConfig) -> TrimRecord:
    """Choose the tokens to keep of a recipe's backbone. Raises InputError if that cannot be done as asked."""
    source = open_source(recipe.backbone.name)
    data_dir = Path(recipe.data_dir)
    languages = [code for stage in recipe.stages for code in _languages(stage, data_dir)]
    codes = source.check_languages(config.languages or languages)
    corpus = read_corpus(config.corpus, codes, data_dir) if config.corpus else own_texts(recipe, codes)
    counts, _ = source.count(corpus(), codes)
    kept = select(source.vocabulary, counts, keep=config.keep, coverage=config.coverage, also=source.config_ids)
    return replace(record_of_choice(source, kept, codes), by="recipe")


def _languages(stage: Stage, data_dir: Path) -> Iterator[str]:
    """The codes of a stage's languages: source, evaluated, and of its unlabelled text."""
    task = task_of_stage(stage, data_dir)
    if task is not None:
        yield from task.check_languages((*stage.source_languages, *(stage.evaluation.languages or task.languages)))
    for part in stage.unlabelled:
        yield from resolve_unlabelled(part, data_dir)[2]


def own_texts(recipe: Recipe, codes: tuple[str, ...]) -> Corpus:
    """The texts of a recipe in some languages: labelled examples, unlabelled text, and the inputs of the evaluation
    with the references that it reads.

    Raises InputError for labels that have yet to be translated.
    """
    data_dir = Path(recipe.data_dir)
    if any(stage.translate_train is not None for stage in recipe.stages):
        raise InputError("with translate_train, backbone.trim needs a `corpus`: the labels are not translated yet")

    def texts() -> Iterator[tuple[str, str]]:
        for stage in recipe.stages:
            for code, text in _texts_of(stage, data_dir):
                if (canonical := Language.parse(code).code) in codes:
                    yield canonical, text

    return texts


def _texts_of(stage: Stage, data_dir: Path) -> Iterator[tuple[str, str]]:
    task = task_of_stage(stage, data_dir)
    if task is not None:
        sources = task.check_languages(stage.source_languages)
        limit = stage.training.train_examples
        examples = [each for code in sources for each in task.examples(code, "train", limit)]
        evaluated = evaluation_examples(task, stage.evaluation, stage.source_languages)
        for example in (*examples, *(each for found in evaluated.values() for each in found)):
            # The labels of a classification head are not text.
            for text in (*example.texts, *(() if task.config.head else example.targets)):
                yield example.language, text
    for part in stage.unlabelled:
        _, reader, codes = resolve_unlabelled(part, data_dir)
        for code in codes:
            for record in reader.read(code, UNLABELLED):
                yield code, str(record.fields.get("text") or "")
