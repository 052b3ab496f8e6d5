"""What a head tells of examples: tags of words or a class, as text, so that all that follows is as for other tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.backbones.base import BackboneError
from xlgen.backbones.checking import WeightsError
from xlgen.backbones.headed import EncoderClassifier
from xlgen.backbones.heads import HeadSpec, head_of
from xlgen.backbones.loading import saved_head
from xlgen.backbones.precision import weights_in
from xlgen.core.config import Evaluation, Recipe
from xlgen.core.registry import InputError
from xlgen.data.deferred import Deferred
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task

OUTSIDE = "O"
"""The tag of words that are behind the limit of tokens: outside of any entity, and of parts of speech none (XGLUE)."""


_WINDOW = 1_024
"""Inputs that :func:`predict_labels_stream` has at a time."""


def check_evaluation(task: Task, evaluation: Evaluation) -> None:
    """Raise InputError where text is to be searched for, and ``task`` asks for labels."""
    asked = {
        "num_beams": evaluation.num_beams != 1,
        "control": evaluation.control is not None,
        "sampling": evaluation.sampling is not None,
    }
    if task.config.head and any(asked.values()):
        names = ", ".join(name for name, found in asked.items() if found)
        raise InputError(f"task {task.config.name} asks for labels, and no text is searched for: leave out {names}")


def check_stages(recipe: Recipe, tasks: Sequence[Task | None]) -> None:
    """Raise InputError where text is to be written by what is only an encoder under a head: beside its labels, or in a
    stage behind them."""
    saved = saved_head(recipe.backbone.name)
    before = f"backbone {recipe.backbone.name} has a head for {saved.kind}" if saved else None
    for index, (stage, task) in enumerate(zip(recipe.stages, tasks, strict=True)):
        if task is None or task.config.head is None:
            if before is not None:
                raise InputError(
                    f"stage {index}: {before} and no decoder, and this stage trains on text to be written. Put it "
                    "before the stages of labels, or start from a backbone without a head"
                )
            continue
        if stage.unlabelled:
            raise InputError(
                f"stage {index}: task {task.config.name} (kind {task.config.kind}) asks for labels by a head, beside "
                "which no `unlabelled` text can be trained on: put the text into a stage of its own before this one"
            )
        before = f"stage {index} leaves an encoder under a head for {task.config.kind}"


def check_head(checkpoint: str, head: HeadSpec | None, task: Task) -> None:
    """Raise BackboneError where ``task`` asks for other labels than the ``head`` of a checkpoint tells, or for text."""
    asked, name = head_of(task.config.head), task.config.name
    if head == asked:
        return
    if head is None or asked is None:
        reason = (
            f"it generates text, and task {name} (kind {task.config.kind}) asks for labels by a head"
            if head is None
            else f"it has a head for {head.kind} and generates no text, which task {name} asks for"
        )
    elif head.kind != asked.kind:
        reason = f"it has a head for {head.kind}, and task {name} is of kind {asked.kind}"
    else:
        order = " in another order" if set(head.labels) == set(asked.labels) else ""
        ours, theirs = ", ".join(head.labels), ", ".join(asked.labels)
        reason = f"its head tells the labels {ours}, and task {name} has{order} {theirs}"
    raise BackboneError(
        f"{checkpoint} does not fit the task: {reason}. Name a task of the kind and labels that it was trained on"
    )


def predict_labels(
    backbone: EncoderClassifier,
    method: Method,
    examples: Sequence[LabelledExample],
    task: Task,
    evaluation: Evaluation,
    progress: Callable[[int], None] = lambda count: None,
) -> list[tuple[str, int]]:
    """(labels with spaces between them, tokens that were cut off) of each example, in order.

    A tag for every word, or one class. Raises BackboneError for an input of which nothing fits, and for a head that
    says what is no number.
    """
    limit = task.config.max_source_tokens
    found: dict[int, tuple[str, int]] = {}
    for language in dict.fromkeys(example.language for example in examples):
        chosen = [i for i, example in enumerate(examples) if example.language == language]
        method.set_language(backbone, language)
        places: list[list[int]] = []
        sources, cropped = [], []
        for i in chosen:
            example = examples[i]
            if backbone.head.by_word:
                ids, starts, lost = backbone.encode_words(example, limit)
            else:
                (ids, lost), starts = backbone.encode_source(example, limit), []
            sources.append(ids)
            places.append(starts)
            cropped.append(lost)
        with weights_in(backbone.model, evaluation.precision):
            logits = backbone.logits(sources, evaluation.batch_tokens)
        _check_finite(backbone, language, logits)
        for i, starts, lost, rows in zip(chosen, places, cropped, logits, strict=True):
            labels = rows[starts].argmax(-1).tolist() if backbone.head.by_word else [int(rows.argmax())]
            names = [backbone.head.labels[label] for label in labels]
            missing = len(examples[i].words) - len(starts)
            found[i] = " ".join([*names, *[OUTSIDE] * missing]), lost
            progress(1)
    return [found[i] for i in range(len(examples))]


def _check_finite(backbone: EncoderClassifier, language: str, logits: Iterable[Tensor]) -> None:
    """Raise WeightsError if logits are not finite: the first label would win."""
    if not all(rows.isfinite().all() for rows in logits):
        raise WeightsError(
            f"{backbone.name}: what the head says of inputs in {language} is not finite (NaN or infinite); the weights "
            "are damaged or their training diverged. Take an earlier checkpoint, or train with a lower learning_rate"
        )


def predict_labels_stream(
    backbone: EncoderClassifier, method: Method, examples: Iterable[LabelledExample], task: Task, evaluation: Evaluation
) -> Iterator[tuple[LabelledExample, str, int]]:
    """:func:`predict_labels` for inputs that need not fit in memory: (example, labels, cropped tokens) of each.

    An exception of ``examples`` is raised behind the results of all that came before it.
    """
    asked = Deferred(examples)
    while window := list(islice(asked, _WINDOW)):
        # No text is learned before, which would keep all that is read.
        for example, (text, cropped) in zip(
            window, predict_labels(backbone, method, window, task, evaluation), strict=True
        ):
            yield example, text, cropped
    asked.finish()
