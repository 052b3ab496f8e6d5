"""Save and load checkpoints with their weights, in safetensors and JSON only, so that no file in them can run code."""

from __future__ import annotations

import logging
import shutil
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from xlgen.adaptation.base import Method, methods
from xlgen.adaptation.training_state import check_optimizer
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import check_weights, read_tensors
from xlgen.backbones.heads import head_of
from xlgen.backbones.source_files import check_backbone
from xlgen.backbones.text import vocabulary_digest
from xlgen.backbones.trimming.cached import load_trimmed
from xlgen.backbones.trimming.record import record_of, write_record
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT, RESUME
from xlgen.data.tasks import Task, build_task, load_task
from xlgen.runs.checkpoint_description import About, check_own_files, read_about, write_about
from xlgen.runs.checkpoints import new_checkpoint
from xlgen.runs.resume_state import mark, read_resume_state, write_resume_state

log = logging.getLogger(__name__)

_DAMAGES = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, SafetensorError)
"""What libraries raise if a file of a checkpoint is damaged."""
_OPTIMIZER, _RNG = "optimizer.safetensors", "rng.safetensors"


class SaveError(InputError):
    """A checkpoint could not be written. Existing checkpoints are unchanged."""


def save_checkpoint(
    folder: Path,
    backbone: Backbone,
    method: Method,
    about: About,
    *,
    resume: JsonMapping | None = None,
    optimizer: Optimizer | None = None,
    evaluation_due: bool = False,
    temporary: bool = False,
) -> None:
    """Write a checkpoint into ``folder``; it appears when it is complete.

    The method writes its weights: the whole model, or only what it trained.

    Args:
        folder: The checkpoint's folder.
        backbone: The adapted backbone.
        method: Its method.
        about: The checkpoint's description, without digests.
        resume: What a run needs in addition to the optimizer's state to resume.
        optimizer: The optimizer. If None, no run can resume from the checkpoint.
        evaluation_due: The evaluation of this step has yet to be made.
        temporary: The recipe does not ask for this checkpoint; it is removed when there is a newer one.

    Raises:
        SaveError: if the disk is full or the folder not writable. No part of the checkpoint remains.
    """
    try:
        with new_checkpoint(folder) as unfinished:
            method.save(backbone, unfinished)
            if optimizer is not None:
                _save_resume(unfinished, resume or {}, optimizer)
            vocabulary = vocabulary_digest(backbone.tokenizer)
            trim = backbone.trim.as_json() if backbone.trim is not None else None
            found = replace(about, tokenizer=vocabulary, backbone_files=backbone.files or None, trim=trim)
            write_about(unfinished, found)
            if optimizer is not None:
                mark(unfinished, evaluation_due=evaluation_due, temporary=temporary)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise SaveError(
            f"could not save the checkpoint {folder}: {error}; the checkpoint before it is untouched. Free "
            f"some space, then continue with {argument('resume')}"
        ) from None


def _save_resume(checkpoint: Path, resume: JsonMapping, optimizer: Optimizer) -> None:
    folder = checkpoint / RESUME
    folder.mkdir()
    saved = optimizer.state_dict()
    values = {f"{index}.{key}": value for index, state in saved["state"].items() for key, value in state.items()}
    tensors = {key: value.contiguous() for key, value in values.items() if isinstance(value, Tensor)}
    plain = {key: value for key, value in values.items() if not isinstance(value, Tensor)}
    save_file(tensors, folder / _OPTIMIZER)
    save_file({"torch": torch.get_rng_state()}, folder / _RNG)
    write_resume_state(checkpoint, {"optimizer": plain, "groups": saved["param_groups"], **resume})


def load_resume(folder: Path, optimizer: Optimizer, parts: int | None = None) -> JsonObject:
    """Restore the optimizer and the state of the random numbers from a checkpoint; return what else was saved.

    ``parts`` is the number of parts of the run's mixture; if None, the place in the data is not checked.

    Raises:
        BackboneError: if the checkpoint is damaged, or belongs to another run.
    """
    try:
        state = read_resume_state(folder, parts)
        tensors = {**read_tensors(folder / RESUME / _OPTIMIZER), **state["optimizer"]}
        rng = read_tensors(folder / RESUME / _RNG)["torch"]
        nested: dict[int, JsonObject] = {}
        for key, value in tensors.items():
            index, name = key.split(".", 1)
            nested.setdefault(int(index), {})[name] = value
        check_optimizer(optimizer, nested, state["groups"])
        check_own_files(folder, read_about(folder), resume=True)
        optimizer.load_state_dict({"state": nested, "param_groups": state["groups"]})
        torch.set_rng_state(rng)
    except _DAMAGES as error:
        reason = f"{error}" if isinstance(error, InputError | OSError | SafetensorError) else f"{error!r}"
        raise BackboneError(f"{folder} cannot be resumed from: {reason}") from None
    return state


def save_model(folder: Path, backbone: Backbone) -> None:
    """Save the whole model like any pretrained checkpoint; the folder appears when it is complete."""
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    backbone.model.save_pretrained(temporary)
    backbone.tokenizer.save_pretrained(temporary)
    if backbone.trim is not None:
        write_record(temporary, replace(backbone.trim, by="folder"))
    temporary.rename(folder)


def task_of(folder: Path, data_dir: str | None = None) -> Task | None:
    """The task that a checkpoint was trained on, as recorded in the checkpoint; None if it had no task.

    If the task's file has changed since, a warning says so. Checkpoints of earlier versions do not record the task; it
    is read from its file.

    Args:
        folder: The checkpoint's folder.
        data_dir: Where the task's data is, if it has moved.

    Raises:
        InputError: if the checkpoint is damaged, or is from an earlier version and the task's file no longer exists.
    """
    about = read_about(folder)
    if about.task is None:
        return None
    data = Path(data_dir or about.data_dir)
    if about.task_config is None:
        return load_task(about.task, data)
    recorded = build_task(about.task_config, folder / ABOUT, data)
    with suppress(InputError):  # the file may no longer exist, or may have another format
        if load_task(about.task, data).within(about.limits).config != recorded.config:
            log.warning("%s has changed since %s was trained; the checkpoint's own task is used", about.task, folder)
    return recorded


def restore(folder: Path, backbone: Backbone, method: Method) -> None:
    """Load the weights of a checkpoint into a prepared backbone. Raises BackboneError if they do not fit."""
    try:
        method.load(backbone, folder)
    except InputError:
        raise
    except _DAMAGES as error:
        raise BackboneError(f"the weights in {folder} are damaged or truncated ({error})") from None
    check_weights(method.state(backbone), str(folder))
    check_own_files(folder, read_about(folder))


def load_start(about: About, languages: tuple[str, ...] = (), weights: str = "fp32") -> Backbone:
    """Load a checkpoint's backbone as it was before training, without the method's modules.

    Raises BackboneError if it cannot be loaded, or has changed since.
    """
    trim = None if about.trim is None else record_of(about.trim, ABOUT)
    load = partial(loading.load, about.backbone)
    if trim is not None and trim.by == "recipe":
        load = partial(load_trimmed, replace(trim, source=about.backbone))
    backbone = load(
        languages=languages,
        allow_unknown=about.allow_unknown,
        init=about.init,
        weights=weights,
        seed=about.seed,
        head=head_of(about.head),
    )
    check_backbone(about, backbone)
    return backbone


def load_checkpoint(
    folder: Path, languages: tuple[str, ...] = (), weights: str = "fp32"
) -> tuple[Backbone, Method, About]:
    """Load a trained backbone, ready to generate, with its method and its description.

    ``weights`` is the precision of the weights. Raises BackboneError if the checkpoint or its backbone cannot be
    loaded, and InputError if it is damaged.
    """
    about = read_about(folder)
    method = methods.options(about.adaptation).build()
    own = replace(about, backbone=str(folder), init="pretrained", backbone_files=None, trim=None)
    start = own if method.whole_model else about
    backbone = load_start(start, languages, weights)
    method.prepare(backbone, about.seed)
    if not method.whole_model:
        restore(folder, backbone, method)
    if about.tokenizer is not None and vocabulary_digest(backbone.tokenizer) != about.tokenizer:
        raise BackboneError(
            f"the tokenizer of {start.backbone} is not the one that {folder} was trained with: its vocabulary "
            "differs. Restore the tokenizer's files"
        )
    if method.whole_model:
        check_own_files(folder, about, backbone.files)
        backbone.trim = None if about.trim is None else record_of(about.trim, ABOUT)
    backbone.model.eval()
    return backbone, method, about
