"""Load everything that a stage needs: the adapted backbone, the batches, and the examples to evaluate on."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from xlgen.adaptation.base import Method, trainable_parameters
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.heads import head_of
from xlgen.backbones.training_modules import checkpoint_layers, make_faster, set_dropout
from xlgen.backbones.trimming.cached import load_trimmed
from xlgen.core.json_types import JsonObject
from xlgen.data.batches import BatchStream
from xlgen.data.examples import LabelledExample
from xlgen.evaluation.coverage import Coverage, measure_examples, report_coverage
from xlgen.evaluation.evaluate import evaluation_examples
from xlgen.evaluation.xlrs_tracking import ParallelTexts, read_parallel
from xlgen.training.agreement import init_of
from xlgen.training.context import StageContext
from xlgen.training.mixture import DataReport, build_stream, text_examples
from xlgen.training.penalties import Penalty
from xlgen.training.trimmed_backbone import trim_of


@dataclass(frozen=True, kw_only=True)
class PreparedStage:
    """What a stage trains and evaluates."""

    backbone: Backbone
    """The adapted backbone."""
    method: Method
    stream: BatchStream
    penalty: Penalty | None
    examples: dict[str, list[LabelledExample]]
    """The examples to evaluate on, by language; empty if the stage has no task."""
    parallel: ParallelTexts | None
    """The parallel texts to measure XLRS on."""
    report: DataReport | None
    """Statistics of the labelled examples."""
    coverage: dict[str, dict[str, Coverage]]
    """How well the vocabulary covers the texts, by kind of text and language."""

    def summary(self, context: StageContext) -> JsonObject:
        """The fields of the log's first event."""
        return {
            "parameters": sum(p.numel() for p in self.backbone.model.parameters()),
            "trainable": trainable_parameters(self.backbone.model),
            "data": asdict(self.report) if self.report else None,
            "coverage": report_coverage(self.coverage, context.backbone),
            "processes": context.accelerator.num_processes,
            "device": str(context.accelerator.device),
        }


def prepare_stage(context: StageContext) -> PreparedStage:
    """Load and check everything that a stage needs. Nothing is written except the translations of labels.

    Raises InputError if something cannot be done as the recipe asks.
    """
    stage, task, seed = context.stage, context.task, context.recipe.seed
    examples = {} if task is None else evaluation_examples(task, stage.evaluation, stage.source_languages)
    backbone = _load_backbone(context, tuple(examples))
    method: Method = stage.adaptation.build()
    method.prepare(backbone, seed)
    stream, report, coverage = build_stream(
        context.recipe, stage, task, backbone, place=context.place, progress=context.progress
    )
    for part in stream.parts:
        method.check_data(part.task, part.languages)
    if task is not None:
        coverage["evaluation"] = measure_examples(examples, backbone, task.config.head is None)
    for code in examples:
        method.set_language(backbone, code)  # raises for a language that the method cannot generate in
    method.begin(backbone, context.earlier)
    return PreparedStage(
        backbone=backbone,
        method=method,
        stream=stream,
        penalty=_penalty(context, backbone),
        examples=examples,
        parallel=_parallel_texts(context, backbone, tuple(examples)),
        report=report,
        coverage=coverage,
    )


def _load_backbone(context: StageContext, evaluated: tuple[str, ...]) -> Backbone:
    task, training = context.task, context.stage.training
    languages = evaluated if task is None else (*task.check_languages(context.stage.source_languages), *evaluated)
    trim = trim_of(context)
    load = partial(loading.load, context.backbone) if trim is None else partial(load_trimmed, trim)
    backbone = load(
        languages=languages,
        allow_unknown=context.allow_unknown,
        precision=training.precision,
        init=init_of(context.recipe, context.index),
        seed=context.recipe.seed,
        head=head_of(task.config.head) if task is not None else None,
    )
    if context.accelerator.device.type == "cpu":
        make_faster(backbone)
    if training.gradient_checkpointing:
        checkpoint_layers(backbone.model)
    if training.dropout is not None:
        set_dropout(backbone.model, training.dropout)
    return backbone


def _penalty(context: StageContext, backbone: Backbone) -> Penalty | None:
    """The stage's penalty, relative to the weights before training."""
    if context.stage.penalty is None:
        return None
    penalty: Penalty = context.stage.penalty.build()
    penalty.prepare(backbone, text_examples(context.recipe, backbone))
    return penalty


def _parallel_texts(context: StageContext, backbone: Backbone, languages: tuple[str, ...]) -> ParallelTexts | None:
    config, folder = context.stage.evaluation.xlrs, Path(context.recipe.data_dir)
    if config is None or not languages:
        return None
    return read_parallel(config, backbone, languages, context.pivot, folder, allow_unknown=context.allow_unknown)
