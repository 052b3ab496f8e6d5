"""Labels that a head predicts, as text, and checks that recipes, evaluations and checkpoints fit tasks with labels."""

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
from xlgen.evaluation.prediction import Prediction
from xlgen.representations.xlrs import EncoderStateCollector

OUTSIDE = "O"
"""The tag of words after the limit of tokens: outside of any entity, and no part of speech (XGLUE)."""
_WINDOW = 1_024
"""Number of inputs that :meth:`LabelClassifier.stream` keeps at a time."""


def check_evaluation(task: Task, evaluation: Evaluation) -> None:
    """Raise InputError for settings of text generation if ``task`` has labels."""
    asked = {
        "num_beams": evaluation.num_beams != 1,
        "control": evaluation.control is not None,
        "sampling": evaluation.sampling is not None,
    }
    if task.config.head and any(asked.values()):
        names = ", ".join(name for name, found in asked.items() if found)
        raise InputError(f"task {task.config.name} has labels, which are predicted without decoding: leave out {names}")


def check_stages(recipe: Recipe, tasks: Sequence[Task | None]) -> None:
    """Raise InputError if a stage trains text generation together with labels or after them.

    An encoder with a head has no decoder.
    """
    saved = saved_head(recipe.backbone.name)
    before = f"backbone {recipe.backbone.name} has a head for {saved.kind}" if saved else None
    for index, (stage, task) in enumerate(zip(recipe.stages, tasks, strict=True)):
        if task is None or task.config.head is None:
            if before is not None:
                raise InputError(
                    f"stage {index}: {before} and no decoder, but this stage trains text generation. Put it before "
                    "the stages with labels, or start from a backbone without a head"
                )
            continue
        if stage.unlabelled:
            raise InputError(
                f"stage {index}: task {task.config.name} (kind {task.config.kind}) needs a head, which cannot be "
                "trained together with `unlabelled` text: put the text into a separate stage before this one"
            )
        before = f"stage {index} leaves an encoder with a head for {task.config.kind}"


def check_head(checkpoint: str, head: HeadSpec | None, task: Task) -> None:
    """Raise BackboneError if the ``head`` of a checkpoint does not have the labels of ``task``."""
    asked, name = head_of(task.config.head), task.config.name
    if head == asked:
        return
    if head is None or asked is None:
        reason = (
            f"it generates text, and task {name} (kind {task.config.kind}) needs a head"
            if head is None
            else f"it has a head for {head.kind} and generates no text, which task {name} needs"
        )
    elif head.kind != asked.kind:
        reason = f"it has a head for {head.kind}, and task {name} is of kind {asked.kind}"
    else:
        order = " in another order" if set(head.labels) == set(asked.labels) else ""
        ours, theirs = ", ".join(head.labels), ", ".join(asked.labels)
        reason = f"its head has the labels {ours}, and task {name} has{order} {theirs}"
    raise BackboneError(
        f"{checkpoint} does not fit the task: {reason}. Use a task with the kind and labels that it was trained on"
    )


class LabelClassifier:
    """Predicts labels with a head: a tag for every word, or one class."""

    def __init__(self, backbone: EncoderClassifier, method: Method, task: Task, evaluation: Evaluation) -> None:
        self._backbone, self._method = backbone, method
        self._max_source_tokens = task.config.max_source_tokens
        self._precision, self._batch_tokens = evaluation.precision, evaluation.batch_tokens

    def predict(
        self,
        examples: Sequence[LabelledExample],
        progress: Callable[[int], None] = lambda count: None,
        collector: EncoderStateCollector | None = None,
    ) -> list[Prediction]:
        """See :class:`Predictor`; the collector is not used.

        Raises BackboneError if not even the first token of an input fits, WeightsError if logits are not finite.
        """
        self._backbone.cache_tokens(text for example in examples for text in example.texts)
        return self._predict(examples, progress)

    def stream(self, examples: Iterable[LabelledExample]) -> Iterator[tuple[LabelledExample, Prediction]]:
        """See :class:`Predictor`."""
        deferred = Deferred(examples)
        while window := list(islice(deferred, _WINDOW)):
            # Tokens are not cached: the cache would grow with the input.
            yield from zip(window, self._predict(window), strict=True)
        deferred.finish()

    def _predict(
        self, examples: Sequence[LabelledExample], progress: Callable[[int], None] = lambda count: None
    ) -> list[Prediction]:
        backbone = self._backbone
        found: dict[int, Prediction] = {}
        for language in dict.fromkeys(example.language for example in examples):
            chosen = [i for i, example in enumerate(examples) if example.language == language]
            self._method.set_language(backbone, language)
            inputs = [backbone.encode_input(examples[i], self._max_source_tokens) for i in chosen]
            with weights_in(backbone.model, self._precision):
                logits = backbone.logits([ids for ids, _, _ in inputs], self._batch_tokens)
            _check_finite(backbone, language, logits)
            for i, (_, starts, cropped), rows in zip(chosen, inputs, logits, strict=True):
                labels = rows[starts].argmax(-1).tolist() if backbone.head.by_word else [int(rows.argmax())]
                names = [backbone.head.labels[label] for label in labels]
                missing = len(examples[i].words) - len(starts)
                text = " ".join([*names, *[OUTSIDE] * missing])
                found[i] = Prediction(text, text, cropped)
                progress(1)
        return [found[i] for i in range(len(examples))]


def _check_finite(backbone: EncoderClassifier, language: str, logits: Iterable[Tensor]) -> None:
    """Raise WeightsError if logits are not finite: the first label would win."""
    if not all(rows.isfinite().all() for rows in logits):
        raise WeightsError(
            f"{backbone.name}: the logits of its head for inputs in {language} are not finite (NaN or infinite); the "
            "weights are damaged or their training diverged. Take an earlier checkpoint, or train with a lower "
            "learning_rate"
        )
