"""Checkpoints: written whole or not at all, in safetensors and JSON only (nothing in them can run code)."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from xlgen.adaptation.base import Method, methods
from xlgen.adaptation.training_state import check_optimizer, check_reduction, check_stream
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.backbones.checking import check_weights, read_tensors
from xlgen.backbones.heads import head_of
from xlgen.backbones.source_files import check_backbone
from xlgen.backbones.text import vocabulary_digest
from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT, RESUME_STATE
from xlgen.core.untrusted import read_object
from xlgen.core.version import VERSION
from xlgen.data.tasks import Task, build_task, load_task
from xlgen.runs.checkpoint_description import RESUME, About, check_own_files
from xlgen.runs.checkpoint_description import read_about as _read_about
from xlgen.runs.digests import digests
from xlgen.runs.event_log import write_atomically
from xlgen.runs.files import FORMAT, check_format, step_folders

log = logging.getLogger(__name__)

# What a library raises where a file of a checkpoint is not what was written.
_DAMAGES = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, SafetensorError)
_DUE = "evaluation-due"
_EVALUATED = "evaluated.json"
_PASSING = "passing"
_REMOVING = "removing-"
_SAVING = "saving-"


class SaveError(InputError):
    """A checkpoint could not be written: the disk is full, or the folder not writable. Nothing else was touched."""


def save_checkpoint(
    folder: Path,
    backbone: Backbone,
    method: Method,
    about: About,
    resume: JsonMapping | None = None,
    optimizer: Optimizer | None = None,
    evaluation_due: bool = False,
    passing: bool = False,
) -> None:
    """Write a checkpoint to ``folder``: first beside it, then renamed, so that a failure leaves no half of one.

    The method writes its weights: the whole model, or only what it trained.
    ``resume`` and ``optimizer`` are what an interrupted run needs to continue exactly; ``evaluation_due`` says that
    it has the evaluation of this step still to make, ``passing`` that the checkpoint is between those that the recipe
    asks for, and goes when there is a newer one. Raises SaveError, with nothing of it left, when the disk is full
    or not writable.
    """
    # A name that nothing takes for a checkpoint: a kill may leave it behind, with all but its last file in it.
    temporary = folder.with_name(f"{_SAVING}{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        method.save(backbone, temporary)
        if optimizer is not None:
            _save_resume(temporary / RESUME, resume or {}, optimizer)
        _save_about(temporary, backbone, about)
        if optimizer is not None and evaluation_due:
            (temporary / RESUME / _DUE).touch()
        if optimizer is not None and passing:
            (temporary / RESUME / _PASSING).touch()
        remove(folder)
        temporary.rename(folder)
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise SaveError(
            f"could not save the checkpoint {folder}: {error}; the checkpoint before it is untouched. Free "
            f"some space, then continue with {argument('resume')}"
        ) from None


def _save_about(folder: Path, backbone: Backbone, about: About) -> None:
    """Write ``checkpoint.json``, with digests of all that is in the folder."""
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    whole = replace(
        about,
        tokenizer=vocabulary_digest(backbone.tokenizer),
        files=digests(folder, files),
        backbone_files=backbone.files or None,
    )
    text = {**whole.as_json(), "xlgen": VERSION}
    (folder / ABOUT).write_text(json.dumps(text, indent=1, ensure_ascii=False), encoding="utf-8")


def _save_resume(folder: Path, resume: JsonMapping, optimizer: Optimizer) -> None:
    folder.mkdir()
    saved = optimizer.state_dict()
    tensors = {f"{index}.{key}": value for index, state in saved["state"].items() for key, value in state.items()}
    plain = {key: value for key, value in tensors.items() if not isinstance(value, Tensor)}
    save_file(
        {k: v.contiguous() for k, v in tensors.items() if isinstance(v, Tensor)}, folder / "optimizer.safetensors"
    )
    save_file({"torch": torch.get_rng_state()}, folder / "rng.safetensors")
    state = {"format": FORMAT, "optimizer": plain, "groups": saved["param_groups"], **resume}
    write_atomically(folder / RESUME_STATE, json.dumps(state))


def load_resume(folder: Path, optimizer: Optimizer, parts: int | None = None) -> JsonObject:
    """Put optimizer and random state of a checkpoint back; return what else was saved. Raises BackboneError.

    ``parts``: of the mixture that the run trains on, whose place is then checked; None where nobody needs it.
    """
    try:
        state = read_object(folder / RESUME / RESUME_STATE)
        check_format(state, str(folder / RESUME / RESUME_STATE))
        tensors = {**read_tensors(folder / RESUME / "optimizer.safetensors"), **state["optimizer"]}
        rng = read_tensors(folder / RESUME / "rng.safetensors")["torch"]
        nested: dict[int, JsonObject] = {}
        for key, value in tensors.items():
            index, name = key.split(".", 1)
            nested.setdefault(int(index), {})[name] = value
        check_optimizer(optimizer, nested, state["groups"])
        if parts is not None:
            check_stream(state["stream"], parts)
            check_reduction(state["reduction"])
        check_own_files(folder, read_about(folder), resume=True)
        optimizer.load_state_dict({"state": nested, "param_groups": state["groups"]})
        torch.set_rng_state(rng)
    except _DAMAGES as error:
        reason = f"{error}" if isinstance(error, InputError | OSError | SafetensorError) else f"{error!r}"
        raise BackboneError(f"{folder} cannot be resumed from: {reason}") from None
    return state


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in ``folder``, oldest first."""
    return [path for _, path in step_folders(folder) if (path / ABOUT).exists()]


def step_of(checkpoint: Path) -> int:
    """The step in the name of a checkpoint's folder."""
    return int(checkpoint.name.removeprefix("step-"))


def is_passing(folder: Path) -> bool:
    """Whether a checkpoint is none that the recipe asks for, and goes when there is a newer one."""
    return (folder / RESUME / _PASSING).exists()


def evaluation_due(folder: Path) -> bool:
    """Whether the run that saved this checkpoint has the evaluation of its step still to make."""
    return (folder / RESUME / _DUE).exists() and not (folder / RESUME / _EVALUATED).exists()


def note_evaluated(folder: Path, reduction: Mapping[str, float]) -> None:
    """Note that the checkpoint's evaluation is made, and the ``reduction`` of the learning rate that it left."""
    write_atomically(folder / RESUME / _EVALUATED, json.dumps({"reduction": reduction}))


def after_evaluation(folder: Path) -> JsonObject:
    """What the evaluation of a checkpoint's step has changed of its resume state. Raises BackboneError."""
    try:
        if not (folder / RESUME / _EVALUATED).exists():
            return {}
        found = read_object(folder / RESUME / _EVALUATED)["reduction"]
        check_reduction(found)
        return {"reduction": found}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackboneError(f"{folder} cannot be resumed from: {_EVALUATED} is damaged: {error}") from None


def tidy(folder: Path, keep: int | None = None, best: Collection[int] = ()) -> None:
    """Delete what only resuming from older checkpoints needs, and all but the newest ``keep`` (None or 0: all stay).

    The checkpoints of the steps ``best`` stay too. What an earlier process left half saved or half removed goes, and
    older checkpoints that only the end of a process has left.
    """
    found = checkpoints(folder)
    for path in found[:-1]:
        remove(path if is_passing(path) else path / RESUME, folder)
    found = [path for path in found if path.exists()]
    for path in found[:-keep] if keep else []:
        if step_of(path) not in best:
            remove(path)
    for left in (*folder.glob(f"{_REMOVING}*"), *folder.glob(f"{_SAVING}*")):
        shutil.rmtree(left, ignore_errors=True)


def remove(folder: Path, within: Path | None = None) -> None:
    """Delete a folder under a name that nothing takes for a checkpoint, so that a kill leaves no half of one.

    ``within`` is where it gets that name; by default the folder that it is in.
    """
    if not folder.exists():
        return
    gone = (within or folder.parent) / f"{_REMOVING}{folder.parent.name}-{folder.name}"
    shutil.rmtree(gone, ignore_errors=True)
    folder.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def save_model(folder: Path, backbone: Backbone) -> None:
    """A folder like any pretrained checkpoint's; it appears whole or not at all."""
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    backbone.model.save_pretrained(temporary)
    backbone.tokenizer.save_pretrained(temporary)
    temporary.rename(folder)


def read_about(folder: Path) -> About:
    """What a checkpoint says of itself. Raises BackboneError where ``folder`` is none."""
    try:
        return _read_about(folder)
    except InputError as error:
        raise BackboneError(str(error)) from None


def task_of(folder: Path, data_dir: str | None = None) -> Task | None:
    """The task that a checkpoint was trained on, as the checkpoint holds it; None where it was trained on none.

    A task file that has changed since is not read; a warning says so. The checkpoints of earlier versions hold no
    task: theirs is read from its file.

    Args:
        folder: The checkpoint's.
        data_dir: Where the task's data are, if they have moved.

    Raises:
        InputError: for a damaged checkpoint, and for one of an earlier version whose task file is gone.
    """
    about = read_about(folder)
    if about.task is None:
        return None
    place = Path(data_dir or about.data_dir)
    if about.task_config is None:
        return load_task(about.task, place)
    held = build_task(about.task_config, folder / ABOUT, place)
    with suppress(InputError):  # the file may be gone, or be another's by now
        if load_task(about.task, place).within(about.limits).config != held.config:
            log.warning("%s has changed since %s was trained; the checkpoint's own task is used", about.task, folder)
    return held


def restore(folder: Path, backbone: Backbone, method: Method) -> None:
    """Put the weights of a checkpoint into a prepared backbone. Raises BackboneError where they do not fit."""
    try:
        method.load(backbone, folder)
    except InputError:
        raise
    except _DAMAGES as error:
        raise BackboneError(f"the weights in {folder} are damaged or truncated ({error})") from None
    check_weights(method.state(backbone), str(folder))
    check_own_files(folder, read_about(folder))


def load_start(about: About, languages: tuple[str, ...] = (), weights: str = "fp32") -> Backbone:
    """The backbone as it was before training, its method not yet put in.

    Raises BackboneError, also where it has changed since.
    """
    backbone = loading.load(
        about.backbone,
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
    """A trained backbone, ready to generate, with its method; ``weights`` is their precision. Raises BackboneError."""
    about = read_about(folder)
    method = methods.options(about.adaptation).build()
    own = replace(about, backbone=str(folder), init="pretrained", backbone_files=None)
    start = own if method.whole_model else about
    backbone = load_start(start, languages, weights)
    method.prepare(backbone, about.seed)
    if not method.whole_model:
        restore(folder, backbone, method)
    if about.tokenizer is not None and vocabulary_digest(backbone.tokenizer) != about.tokenizer:
        raise BackboneError(
            f"the tokenizer of {start.backbone} is not the one that {folder} was trained with: its vocabulary is "
            "another. Put the tokenizer's files back"
        )
    if method.whole_model:
        check_own_files(folder, about, backbone.files)
    backbone.model.eval()
    return backbone, method, about
