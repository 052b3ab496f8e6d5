"""The run's folder: what lies where, who may write into it, and how far the run has come."""

from __future__ import annotations

import errno
import json
import logging
import os
import platform
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from pydantic import ValidationError

from xlgen.core.config import Recipe
from xlgen.core.outputs import undone_after_errors
from xlgen.core.registry import InputError
from xlgen.runs.files import FORMAT, check_format
from xlgen.runs.records import State, read_log, read_state
from xlgen.runs.event_log import write_atomically
from xlgen.core.yaml_loader import dump_yaml, read_yaml

_SECONDS = 10
"""That git may take."""

log = logging.getLogger(__name__)

_RECIPE, _LOCK = "recipe.yaml", "run.lock"
_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
"""What file systems say that cannot lock."""
_FOREIGN = "{} is not empty and holds no run of xlgen; choose another --out"


class FolderError(InputError):
    """The output folder cannot be used as asked."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run."""

    path: Path

    @property
    def state(self) -> State:
        """How far the run has come; nothing where that was never written, or is damaged.

        A run is continued from its checkpoints, whatever is known of it.
        """
        return read_state(self.path)

    def set_state(self, **state: Any) -> None:
        """Write the state down, atomically."""
        write_atomically(self.path / "state.json", json.dumps(state))

    def stage(self, index: int, count: int) -> Path:
        """Where a stage's files lie: the last one's in the run's folder itself."""
        return self.path if index == count - 1 else self.path / "stages" / str(index)


@contextmanager
def lock_run(path: Path, wait: bool = False) -> Iterator[None]:
    """Keep the folder of a run to this process, so that no two train in it; whoever holds it may lock it again.

    ``wait`` for another process that holds it. After an error, a folder without anything else is removed again. Raises
    FolderError where another process holds it, or the folder cannot be written.
    """
    file = path / _RECIPE
    with undone_after_errors(path):
        try:
            if not file.exists() and path.is_dir() and _holds_more(path, file):
                raise FolderError(_FOREIGN.format(path))
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(f"cannot write into {path}: {error.strerror}; choose another --out") from None
        with _locked(path, wait):
            try:
                yield
            except BaseException:
                with suppress(OSError):  # removed while it is held: whoever waits for it then makes a new one
                    if [other.name for other in path.iterdir()] == [_LOCK]:
                        (path / _LOCK).unlink()
                raise


@contextmanager
def nothing_left_if_refused(path: Path) -> Iterator[None]:
    """Remove, where the input is refused before a first step, what this attempt has written into a run's folder."""
    log, state = path / "metrics.jsonl", path / "state.json"
    new = [file for file in (log, state) if not file.exists()]
    with undone_after_errors(path, [_RECIPE]):
        try:
            yield
        except InputError:
            if log in new and all(event["event"] == "start" for event in read_log(log).events):
                for file in new:
                    file.unlink(missing_ok=True)
            raise


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    file = path / _LOCK
    if file.is_dir():
        raise FolderError(f"{file} is a folder, where the lock of a run is to be; remove it, or choose another --out")
    lock = FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise FolderError(
            f"another process is training in {path}; wait until it has ended, or choose another --out"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise FolderError(f"cannot write {file}: {error.strerror}; choose another --out") from None
        log.warning("%s is on a file system without locks: nothing keeps two processes from training there", path)
    try:
        yield
    finally:
        lock.release()


def open_run(path: Path, recipe: Recipe, resume: bool) -> RunFolder:
    """Make ``path`` the folder of this run. Raises FolderError where it holds another, or cannot be written."""
    folder = RunFolder(path)
    resolved = recipe.model_dump(mode="json")
    file = path / _RECIPE
    # A run that ended before its first step may leave its recipe and nothing else; another one takes its place.
    if file.exists():
        before = recipe_in(file)
        started = _holds_more(path, file)
        old, new = _deciding(before), recipe.deciding()
        if started and old != new:
            raise FolderError(f"{path} holds another run ({difference(old, new)}); choose another --out")
        if started and not resume:
            raise FolderError(f"{path} holds this run already; add --resume to go on with it, or choose another --out")
        if started or before == resolved:
            return folder
    try:
        path.mkdir(parents=True, exist_ok=True)
        if _holds_more(path, file):
            raise FolderError(_FOREIGN.format(path))
        text = {"format": FORMAT, "recipe": resolved, "environment": _environment()}
        write_atomically(file, dump_yaml(text))
    except OSError as error:
        raise FolderError(f"cannot write into {path}: {error.strerror}; choose another --out") from None
    return folder


def _holds_more(path: Path, recipe: Path) -> bool:
    """Whether anything is in the folder but its lock and the recipe, or what a kill left of one being written."""
    ours = re.compile(rf"{re.escape(recipe.name)}(\..*tmp)?|\.?{re.escape(recipe.name)}\..*|{re.escape(_LOCK)}")
    return any(not ours.fullmatch(other.name) for other in path.iterdir())


def recipe_in(file: Path) -> Any:
    """The recipe of a run that was begun. Raises FolderError where its file is none, or is damaged."""
    try:
        data = read_yaml(file)
        check_format(data, str(file))
        return data["recipe"]
    except (InputError, KeyError, TypeError, AttributeError) as error:
        reason = f" ({error})" if isinstance(error, InputError) else ""
        raise FolderError(
            f"{file} was not written by a run of xlgen, or is damaged{reason}; choose another --out"
        ) from None


def _deciding(recipe: Any) -> Any:
    """What decides a run that was begun, whose recipe may lack keys that are younger than it."""
    try:
        return Recipe.model_validate(recipe).deciding()
    except ValidationError:  # it says so itself: another one
        return recipe


def difference(before: Any, after: Any, path: str = "") -> str:
    """The first key in which two mappings differ, and its values, in words."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in [*before, *after]:
            if before.get(key) != after.get(key):
                return difference(before.get(key), after.get(key), f"{path}.{key}".lstrip("."))
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            if old != new:
                return difference(old, new, f"{path}.{index}")
    return f"its {path} is {before!r}, not {after!r}"


def _environment() -> dict[str, Any]:
    packages = ("xlgen", "torch", "transformers", "accelerate", "tokenizers")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "packages": {name: metadata.version(name) for name in packages},
        "git_revision": _revision(),
    }


def _revision() -> str | None:
    """The revision of the repository that xlgen runs from; None where there is none, or no git."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
