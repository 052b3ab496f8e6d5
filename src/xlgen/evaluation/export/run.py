"""Export a checkpoint, and check that what was written generates the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import EncoderClassifier
from xlgen.core.arguments import argument
from xlgen.core.outputs import check_new_folder, new_folder
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task
from xlgen.evaluation.checkpoint_inference import find_checkpoint
from xlgen.evaluation.export import Output, Requests, formats, outputs
from xlgen.runs.checkpoint_description import About

_DEFAULT_NEW_TOKENS = 64
_BEAMS = (1, 4)


@dataclass(frozen=True)
class Parity:
    """How many outputs of the exported model are those of the checkpoint, token for token, or its labels.

    Inputs of all the task's languages are in one batch.
    """

    asked: int
    equal: int
    """Greedily."""
    equal_with_beams: int = 0
    """With four beams."""
    score_difference: float = 0.0
    """The largest difference of scores between equal outputs of beams."""
    searched: bool = True
    """Whether beams were compared: labels of a head are not searched for."""
    unchecked: str = ""
    """Why nothing could be compared."""


def export(path: Path, to: str, folder: Path, quantization: str | None = None, examples: int = 8) -> Parity:
    """Write the checkpoint ``path`` (or a run's newest) in the format ``to`` into ``folder``, and compare outputs.

    ``examples`` validation inputs of each language of its task are generated for by both. Nothing is left in
    ``folder`` after a failure. Raises InputError.
    """
    chosen = formats.get(to)
    if quantization is not None and "quantization" not in chosen.options:
        raise InputError(f"the format {to} has no {argument('quantization')}")
    check_new_folder(folder)
    checkpoint = find_checkpoint(path)
    if store.read_about(checkpoint).head is not None and not chosen.heads:
        raise InputError(
            f"{checkpoint} is an encoder with a head, which the format {to} cannot store; export it to transformers"
        )
    backbone, method, about = store.load_checkpoint(checkpoint)
    exporter = chosen(quantization)
    requests, limit, unchecked = _requests(checkpoint, about, backbone, examples)
    wanted = [_wanted(backbone, method, requests, limit, beams) for beams in _BEAMS]
    with new_folder(folder) as temporary:
        exporter.write(backbone, method, checkpoint, temporary)
    if not requests:
        return Parity(0, 0, unchecked=unchecked)
    decode = exporter.open(folder, backbone)
    pairs = [
        list(zip(ours, decode(requests, limit, beams), strict=True)) for ours, beams in zip(wanted, _BEAMS, strict=True)
    ]
    equal = [[(a, b) for a, b in each if a.tokens == b.tokens] for each in pairs]
    difference = max((abs(a.score - b.score) for a, b in equal[1]), default=0.0)
    return Parity(len(requests), len(equal[0]), len(equal[1]), difference, not isinstance(backbone, EncoderClassifier))


def _wanted(backbone: Backbone, method: Method, requests: Requests, limit: int, beams: int) -> list[Output]:
    """What the checkpoint generates, as `xlgen predict` does."""
    found: dict[int, Output] = {}
    for language, chosen in method.together([code for _, code in requests]):
        method.set_language(backbone, language)
        found.update(zip(chosen, outputs(backbone)([requests[i] for i in chosen], limit, beams), strict=True))
    return [found[i] for i in range(len(requests))]


def _requests(checkpoint: Path, about: About, backbone: Backbone, examples: int) -> tuple[Requests, int, str]:
    """Inputs of the checkpoint's task, the limit of its targets, and why there are none."""
    try:
        task = store.task_of(checkpoint)
        if task is None:
            return [], _DEFAULT_NEW_TOKENS, "the checkpoint was not trained on a task"
        rows = [
            row
            for code in task.languages
            if about.allow_unknown or code in backbone.languages
            for row in _inputs(task, code, examples)
        ]
    except DataError as error:
        return [], _DEFAULT_NEW_TOKENS, str(error)
    limit = task.config.max_source_tokens
    return [(_ids(row, backbone, limit), row.language) for row in rows], task.config.max_target_tokens, ""


def _ids(row: LabelledExample, backbone: Backbone, limit: int) -> tuple[int, ...]:
    if isinstance(backbone, EncoderClassifier) and backbone.head.by_word:
        return backbone.encode_words(row, limit)[0]
    return backbone.encode_source(row, limit)[0]


def _inputs(task: Task, language: str, count: int) -> list[LabelledExample]:
    """Validation inputs, or those of testing where a language has no others. Raises DataError."""
    try:
        return task.examples(language, "validation", count, labelled=False)
    except DataError:
        return task.examples(language, "test", count, labelled=False)
