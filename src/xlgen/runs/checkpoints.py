"""Find, write, copy and remove the folders of checkpoints. ``xlgen.adaptation.checkpoints`` has their weights.

A checkpoint is complete or does not exist: it is written and removed under names that are not those of checkpoints.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from xlgen.core.registry import InputError
from xlgen.core.run_layout import RESUME
from xlgen.runs.files import CHOSEN, step_folders, step_in
from xlgen.runs.paths import RunPaths, is_checkpoint
from xlgen.runs.resume_state import is_temporary

_SAVING, _REMOVING = "saving-", "removing-"


def checkpoints_of(folder: Path) -> list[Path]:
    """The folders of the checkpoints of a run or a stage, oldest first."""
    return [path for _, path in step_folders(RunPaths(folder).checkpoints) if is_checkpoint(path)]


def newest_checkpoint(folder: Path) -> Path | None:
    """The folder of the newest checkpoint of a run or a stage; None if there is none."""
    found = checkpoints_of(folder)
    return found[-1] if found else None


def find_checkpoint(path: Path) -> Path:
    """The folder of a checkpoint: ``path`` itself, the newest one of a run, or the one that a search has chosen.

    Raises InputError if there is none.
    """
    if is_checkpoint(path):
        return path
    if newest := newest_checkpoint(path):
        return newest
    if is_checkpoint(path / CHOSEN):
        return path / CHOSEN
    if not path.exists():
        raise InputError(f"there is no folder {path}; give a run or a checkpoint")
    raise InputError(f"{path} is neither a checkpoint nor a run with checkpoints")


def step_of(checkpoint: Path) -> int:
    """The step in the name of a checkpoint's folder. Raises ValueError for any other name."""
    step = step_in(checkpoint.name)
    if step is None:
        raise ValueError(f"{checkpoint} is not called step-N")
    return step


def is_unfinished(name: str) -> bool:
    """Whether a folder in the folder of the checkpoints is being saved or removed."""
    return name.startswith((_SAVING, _REMOVING))


@contextmanager
def new_checkpoint(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes the checkpoint ``folder`` at the end of the block.

    After an exception it is removed. A kill may leave it behind, with any of its files.
    """
    temporary = folder.with_name(f"{_SAVING}{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        remove(folder)
        temporary.rename(folder)
    except Exception:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def remove_unneeded(folder: Path, keep: int | None = None, best: Collection[int] = ()) -> None:
    """Remove what is no longer needed from the checkpoints of a run or a stage.

    Of all but the newest checkpoint, the files that only resuming needs are removed; temporary checkpoints are removed
    completely. Then the newest ``keep`` checkpoints remain (all, if None or 0), and those of the steps ``best``. What a
    killed process has left half saved or half removed is removed too.
    """
    place = RunPaths(folder).checkpoints
    for path in checkpoints_of(folder)[:-1]:
        remove(path if is_temporary(path) else path / RESUME, place)
    for path in checkpoints_of(folder)[:-keep] if keep else []:
        if step_of(path) not in best:
            remove(path)
    for left in (*place.glob(f"{_REMOVING}*"), *place.glob(f"{_SAVING}*")):
        shutil.rmtree(left, ignore_errors=True)


def remove(folder: Path, within: Path | None = None) -> None:
    """Remove a folder, after renaming it, so that a kill never leaves half of it under its name.

    ``within`` is where it is renamed to; by default the folder that it is in.
    """
    if not folder.exists():
        return
    renamed = (within or folder.parent) / f"{_REMOVING}{folder.parent.name}-{folder.name}"
    shutil.rmtree(renamed, ignore_errors=True)
    folder.rename(renamed)
    shutil.rmtree(renamed, ignore_errors=True)


def copy_checkpoint(source: Path, target: Path) -> None:
    """Replace ``target`` by a copy of a checkpoint without the files that only resuming needs.

    Files are hard links if possible, which need no extra disk space.
    """
    temporary = target.with_name(f"{target.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    shutil.copytree(source, temporary, copy_function=_link, ignore=shutil.ignore_patterns(f"{RESUME}*"))
    remove(target)
    temporary.rename(target)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, target)
