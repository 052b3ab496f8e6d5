"""Merge what was trained on a trimmed vocabulary into the whole model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from xlgen.adaptation.base import methods
from xlgen.adaptation.checkpoints import load_checkpoint
from xlgen.backbones.trimming.record import TrimRecord, read_record, record_of
from xlgen.backbones.trimming.untrim import untrim
from xlgen.core.outputs import check_new_folder
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT
from xlgen.evaluation.export.to_transformers import save_plain
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import find_checkpoint


@dataclass(frozen=True)
class Untrimmed:
    """What :func:`untrim_trained` has written."""

    folder: Path
    source: str
    """The whole model."""
    trained: int
    """Number of tokens with trained rows."""
    rows: int
    """Number of tokens."""


def untrim_trained(path: Path, folder: Path, into: str | None = None) -> Untrimmed:
    """Write a trained model with the whole vocabulary into ``folder``.

    Args:
        path: A run (its newest checkpoint), a checkpoint, or the folder of a model with ``trim.json``.
        folder: A new or empty folder.
        into: The whole model; by default, the one whose vocabulary was trimmed.

    Raises:
        InputError: if the vocabulary of ``path`` is not trimmed, its method cannot be merged, or ``into`` is another
            model.
    """
    check_new_folder(folder)
    if (record := read_record(str(path))) is not None:
        return _written(path, record, folder, into)
    checkpoint = find_checkpoint(path)
    about = read_about(checkpoint)
    if about.trim is None:
        raise InputError(f"{checkpoint} was trained on a whole vocabulary; there is nothing to merge")
    record = record_of(about.trim, str(checkpoint / ABOUT))
    method = methods.options(about.adaptation).build()
    if method.whole_model and about.head is None:
        return _written(checkpoint, record, folder, into)
    if not method.can_merge() or about.head is not None:
        what = "a model with a head" if about.head is not None else f"modules of {method.options.name}"
        raise InputError(f"{checkpoint} has {what}, which cannot be merged into a whole vocabulary")
    backbone, method, _ = load_checkpoint(checkpoint)
    method.merge(backbone)
    with TemporaryDirectory(dir=folder.parent if folder.parent.is_dir() else None) as merged:
        save_plain(backbone, Path(merged))
        return _written(Path(merged), record, folder, into)


def _written(model: Path, record: TrimRecord, folder: Path, into: str | None) -> Untrimmed:
    untrim(model, record, into or record.source, folder)
    return Untrimmed(folder, into or record.source, len(record.kept), record.rows)
