"""Export a checkpoint, and check that what was written generates the same."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import Headed
from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task
from xlgen.export import Requests, formats, outputs
from xlgen.registry import InputError
from xlgen.training import checkpoints as store
from xlgen.training.serving import find_checkpoint

_DEFAULT_NEW_TOKENS = 64


@dataclass(frozen=True)
class Parity:
    """How far the exported model generates what the checkpoint does, greedily, token for token, or tells its labels."""

    asked: int
    equal: int
    unchecked: str = ""
    """Why nothing could be compared."""


def export(path: Path, to: str, folder: Path, quantization: str | None = None, examples: int = 8) -> Parity:
    """Write the checkpoint ``path`` (or a run's newest) in the format ``to`` into ``folder``, and compare outputs.

    ``examples`` validation inputs of each language of its task are generated for by both. Nothing is left in
    ``folder`` after a failure. Raises InputError.
    """
    chosen = formats.get(to)
    if quantization is not None and "quantization" not in chosen.options:
        raise InputError(f"--quantization does not go with --to {to}")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; choose another --out")
    checkpoint = find_checkpoint(path)
    if store.read_about(checkpoint).head is not None and not chosen.heads:
        raise InputError(
            f"{checkpoint} is an encoder under a head, which --to {to} cannot hold; take --to transformers"
        )
    backbone, method, about = store.load_checkpoint(checkpoint)
    exporter = chosen(quantization)
    requests, limit, unchecked = _requests(checkpoint, about, backbone, examples)
    wanted = outputs(backbone)(requests, limit)
    temporary = folder.with_name(f"exporting-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        exporter.write(backbone, method, checkpoint, temporary)
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    found = exporter.open(folder, backbone)(requests, limit) if requests else []
    return Parity(len(wanted), sum(a == b for a, b in zip(wanted, found, strict=True)), unchecked)


def _requests(checkpoint: Path, about: store.About, backbone: Backbone, examples: int) -> tuple[Requests, int, str]:
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
    if isinstance(backbone, Headed) and backbone.head.by_word:
        return backbone.encode_words(row, limit)[0]
    return backbone.encode_source(row, limit)[0]


def _inputs(task: Task, language: str, count: int) -> list[LabelledExample]:
    """Validation inputs, or those of testing where a language has no others. Raises DataError."""
    try:
        return task.examples(language, "validation", count, labelled=False)
    except DataError:
        return task.examples(language, "test", count, labelled=False)
