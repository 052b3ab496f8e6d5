"""The run's folder: its layout, its lock, and the run's progress."""

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

from filelock import FileLock, Timeout
from pydantic import ValidationError

from xlgen.core.arguments import argument
from xlgen.core.config import Recipe
from xlgen.core.json_types import JsonObject, JsonValue
from xlgen.core.outputs import undone_after_errors
from xlgen.core.registry import InputError
from xlgen.core.run_layout import LOCK, RECIPE
from xlgen.core.yaml_loader import dump_yaml, read_yaml
from xlgen.runs.files import FORMAT, check_format, write_atomically
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import State, read_log, read_state

_SECONDS = 10
"""Timeout for git."""

log = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL)
"""Errors of file systems that do not support locks."""
_FOREIGN = "{} is not empty and is not an xlgen run; choose another " + argument("out")


class FolderError(InputError):
    """The output folder cannot be used as asked."""


@dataclass(frozen=True)
class RunFolder(RunPaths):
    """The folder of a run, with its progress."""

    @property
    def state(self) -> State:
        """The run's progress; empty if it was never written or is damaged.

        Resuming does not depend on it: a run resumes from its checkpoints.
        """
        return read_state(self.path)

    def set_state(self, **state: int | str | None) -> None:
        """Write the run's progress atomically."""
        write_atomically(self.state_file, json.dumps(state))


@contextmanager
def lock_run(path: Path, wait: bool = False) -> Iterator[None]:
    """Lock the folder of a run, so that no two processes train in it. The process with the lock may lock it again.

    With ``wait``, wait for another process to release the lock. After an error, a folder with nothing but the lock is
    removed. Raises FolderError if another process has the lock, or the folder cannot be written.
    """
    file = path / RECIPE
    with undone_after_errors(path):
        try:
            if not file.exists() and path.is_dir() and _holds_more(path, file):
                raise FolderError(_FOREIGN.format(path))
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(f"cannot write into {path}: {error.strerror}; choose another {argument('out')}") from None
        with _locked(path, wait):
            try:
                yield
            except BaseException:
                with suppress(OSError):  # removed while locked: a waiting process then creates a new lock
                    if [other.name for other in path.iterdir()] == [LOCK]:
                        (path / LOCK).unlink()
                raise


@contextmanager
def nothing_left_if_refused(path: Path) -> Iterator[None]:
    """If the input is refused before the first step, remove the files that this attempt wrote into the run's folder."""
    log, state = RunPaths(path).log_file, RunPaths(path).state_file
    new = [file for file in (log, state) if not file.exists()]
    with undone_after_errors(path, [RECIPE]):
        try:
            yield
        except InputError:
            if log in new and all(event["event"] == "start" for event in read_log(log).events):
                for file in new:
                    file.unlink(missing_ok=True)
            raise


@contextmanager
def _locked(path: Path, wait: bool) -> Iterator[None]:
    file = path / LOCK
    if file.is_dir():
        raise FolderError(
            f"{file} must be a lock file, but is a folder; remove it, or choose another {argument('out')}"
        )
    lock = FileLock(file, is_singleton=True)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        raise FolderError(
            f"another process is training in {path}; wait until it ends, or choose another {argument('out')}"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise FolderError(f"cannot write {file}: {error.strerror}; choose another {argument('out')}") from None
        log.warning("%s is on a file system without locks: do not train there with two processes", path)
    try:
        yield
    finally:
        lock.release()


def open_run(path: Path, recipe: Recipe, resume: bool) -> RunFolder:
    """Make ``path`` the folder of this run. Raises FolderError if it has another run, or cannot be written."""
    folder = RunFolder(path)
    resolved = recipe.model_dump(mode="json")
    file = path / RECIPE
    # A run that ended before its first step may leave only its recipe; a new run may replace it.
    if file.exists():
        before = recipe_in(file)
        started = _holds_more(path, file)
        old, new = _deciding(before), recipe.deciding()
        if started and old != new:
            raise FolderError(f"{path} has another run ({difference(old, new)}); choose another {argument('out')}")
        if started and not resume:
            raise FolderError(
                f"{path} already has this run; continue it with {argument('resume')}, or choose another "
                f"{argument('out')}"
            )
        if started or before == resolved:
            return folder
    try:
        path.mkdir(parents=True, exist_ok=True)
        if _holds_more(path, file):
            raise FolderError(_FOREIGN.format(path))
        text = {"format": FORMAT, "recipe": resolved, "environment": _environment()}
        write_atomically(file, dump_yaml(text))
    except OSError as error:
        raise FolderError(f"cannot write into {path}: {error.strerror}; choose another {argument('out')}") from None
    return folder


def _holds_more(path: Path, recipe: Path) -> bool:
    """Whether the folder has anything except its lock, the recipe, and temporary files of the recipe after a kill."""
    ours = re.compile(rf"{re.escape(recipe.name)}(\..*tmp)?|\.?{re.escape(recipe.name)}\..*|{re.escape(LOCK)}")
    return any(not ours.fullmatch(other.name) for other in path.iterdir())


def recipe_in(file: Path) -> JsonValue:
    """The recipe of a run that was started. Raises FolderError if the file is not a run's recipe, or is damaged."""
    try:
        data = read_yaml(file)
        check_format(data, str(file))
        return data["recipe"]
    except (InputError, KeyError, TypeError, AttributeError) as error:
        reason = f" ({error})" if isinstance(error, InputError) else ""
        raise FolderError(
            f"{file} was not written by an xlgen run, or is damaged{reason}; choose another {argument('out')}"
        ) from None


def _deciding(recipe: JsonValue) -> JsonValue:
    """The settings that determine a started run's results. Its recipe may lack keys that were added later."""
    try:
        return Recipe.model_validate(recipe).deciding()
    except ValidationError:  # not a valid recipe now, so it differs
        return recipe


def difference(before: object, after: object, path: str = "") -> str:
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


def _environment() -> JsonObject:
    packages = ("xlgen", "torch", "transformers", "accelerate", "tokenizers")
    return {
        "python": platform.python_version(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs",
        "packages": {name: metadata.version(name) for name in packages},
        "git_revision": _revision(),
    }


def _revision() -> str | None:
    """The git revision of xlgen's source; None if it is not in a repository, or git is not available."""
    command = ["git", "rev-parse", "HEAD"]
    try:
        done = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False, timeout=_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
