"""Output files of commands: never the same file as an input, and whole or as they were before."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from xlgen.registry import InputError

_OF_A_RUN = ("recipe.yaml", "metrics.jsonl", "state.json", "run.lock", "summary.json")


def check_output(path: Path, inputs: Iterable[str | Path | None], option: str) -> None:
    """Refuse an output that is one of the ``inputs``, by any name or link, or is in a folder that is read as one.

    ``option`` names the output in errors. Names of no file, such as ``-``, are let pass. Raises InputError.
    """
    for name in inputs:
        if name is None or not Path(name).exists():
            continue
        if _same(path, Path(name)):
            raise InputError(f"{path} is an input too, and writing would replace it; choose another {option}")
        if Path(name).is_dir() and path.resolve().parent == Path(name).resolve():
            raise InputError(f"{path} would be in {name}, which is read as an input; choose another {option}")
    check_no_run(path, option)


def check_no_run(path: Path, option: str) -> None:
    """Refuse an output in a checkpoint, or in place of a file of a run. Raises InputError."""
    where = path.resolve()
    if (where.parent / "checkpoint.json").is_file():
        raise InputError(f"{path} would be in a checkpoint; choose another {option}")
    is_of_a_run = any((folder / "recipe.yaml").is_file() for folder in list(where.parents)[:3])
    if is_of_a_run and where.is_file() and where.name in _OF_A_RUN:
        raise InputError(f"{path} is a file of a run; choose another {option}")


@contextmanager
def replacing(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8 that takes the place of ``path`` once the block has ended well; until then, and after an
    error, ``path`` is as it was. A device or a pipe is written to at once.

    Raises InputError where it cannot be written.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        with _written(path), path.open("w", encoding="utf-8") as file:
            yield file
        return
    target = path.resolve()  # a link stays one
    temporary = temporary_for(target)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    try:
        with _written(path):
            file = temporary.open("w", encoding="utf-8")
        with file:
            yield file
            with _written(path):
                file.flush()
        with _written(path):
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def check_new_folder(folder: Path) -> None:
    """Raise InputError where ``folder`` is there and holds something, or is a file."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; choose another --out")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into that becomes ``folder``, a new or empty one, when the block has ended well.

    After an error nothing is left of it. Raises InputError where it cannot be written.
    """
    temporary = folder.with_name(f"writing-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        if folder.is_dir():
            folder.rmdir()
        temporary.rename(folder)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _written(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}") from None


def temporary_for(path: Path) -> Path:
    """Where to write what is to take the place of ``path``: next to it, under a name of this process.

    What a process that was killed left there is removed.
    """
    for left in path.parent.glob(f"{glob.escape(path.name)}.*.tmp"):
        process = left.name.removeprefix(f"{path.name}.").removesuffix(".tmp")
        if process.isdecimal() and int(process) != os.getpid() and not _is_alive(int(process)):
            with suppress(OSError):
                left.unlink()
    return path.with_name(f"{path.name}.{os.getpid()}.tmp")


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # it is another user's, or no process at all
        pass
    return True


def _same(one: Path, other: Path) -> bool:
    try:
        about = one.stat()
    except OSError:
        return False
    return stat.S_ISREG(about.st_mode) and one.samefile(other)
