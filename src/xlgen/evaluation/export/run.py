"""Export a checkpoint, and check that the exported model has the same outputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.core.arguments import argument
from xlgen.core.outputs import check_new_folder, new_folder
from xlgen.core.registry import InputError
from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task
from xlgen.evaluation.export import Decode, Format, Output, Requests, formats
from xlgen.runs.checkpoint_description import About, read_about
from xlgen.runs.checkpoints import find_checkpoint

_DEFAULT_NEW_TOKENS = 64


@dataclass(frozen=True)
class Parity:
    """Comparison of the outputs of the exported model and of the checkpoint, token by token or label by label.

    Inputs of all the task's languages are in one batch.
    """

    compared: int
    """Number of inputs whose outputs were compared."""
    equal: int
    """Number of equal outputs of greedy search, or of equal labels."""
    equal_with_beams: int = 0
    """Number of equal outputs with four beams."""
    score_difference: float = 0.0
    """Largest difference between the scores of outputs that are equal with beams."""
    searched: bool = True
    """Whether beams were compared; a head's labels are predicted without a search."""
    unchecked: str = ""
    """Why nothing could be compared, or empty."""


def export(path: Path, to: str, folder: Path, quantization: str | None = None, examples: int = 8) -> Parity:
    """Write the checkpoint ``path`` (or a run's newest) in the format ``to`` into ``folder``, and compare outputs.

    Outputs are compared on ``examples`` validation inputs of each language of its task. Nothing is left in ``folder``
    after a failure. Raises InputError.
    """
    chosen = formats.get(to)
    if quantization is not None and "quantization" not in chosen.options:
        raise InputError(f"the format {to} has no {argument('quantization')}")
    check_new_folder(folder)
    checkpoint = find_checkpoint(path)
    exporter = _exporter(chosen, checkpoint, to, quantization)
    backbone, method, about = store.load_checkpoint(checkpoint)
    requests, limit, unchecked = _requests(checkpoint, about, backbone, examples)
    decode = exporter.reference(backbone)
    expected = [_by_language(decode, backbone, method, requests, limit, beams) for beams in exporter.beams]
    with new_folder(folder) as temporary:
        exporter.write(backbone, method, checkpoint, temporary)
    if not requests:
        return Parity(0, 0, unchecked=unchecked)
    decode = exporter.open(folder, backbone)
    pairs = [
        list(zip(ours, decode(requests, limit, beams), strict=True))
        for ours, beams in zip(expected, exporter.beams, strict=True)
    ]
    equal = [[(a, b) for a, b in each if a.tokens == b.tokens] for each in pairs]
    difference = max((abs(a.score - b.score) for a, b in equal[-1]), default=0.0)
    return Parity(len(requests), len(equal[0]), len(equal[-1]), difference, searched=len(exporter.beams) > 1)


def _exporter(chosen: type[Format], checkpoint: Path, to: str, quantization: str | None) -> Format:
    """The writer of a format, or of its variant for heads if the checkpoint has one. Raises InputError."""
    if read_about(checkpoint).head is None:
        return chosen(quantization)
    if chosen.for_heads is None:
        raise InputError(
            f"{checkpoint} is an encoder with a head, which the format {to} does not support; export it to transformers"
        )
    return chosen.for_heads(quantization)


def _by_language(
    decode: Decode, backbone: Backbone, method: Method, requests: Requests, limit: int, beams: int
) -> list[Output]:
    """The checkpoint's outputs, as `xlgen predict` generates them."""
    found: dict[int, Output] = {}
    for language, chosen in method.together([code for _, code in requests]):
        method.set_language(backbone, language)
        found.update(zip(chosen, decode([requests[i] for i in chosen], limit, beams), strict=True))
    return [found[i] for i in range(len(requests))]


def _requests(checkpoint: Path, about: About, backbone: Backbone, examples: int) -> tuple[Requests, int, str]:
    """Inputs of the checkpoint's task, the maximum length of its targets, and why there are no inputs."""
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
    return [(backbone.encode_source(row, limit)[0], row.language) for row in rows], task.config.max_target_tokens, ""


def _inputs(task: Task, language: str, count: int) -> list[LabelledExample]:
    """Validation inputs, or test inputs for a language without validation data. Raises DataError."""
    try:
        return task.examples(language, "validation", count, labelled=False)
    except DataError:
        return task.examples(language, "test", count, labelled=False)
