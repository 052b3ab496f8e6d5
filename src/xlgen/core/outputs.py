"""Output files of commands. They never overwrite an input, and are replaced as a whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO

from xlgen.core.arguments import argument
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT, CHECKPOINTS, FILES, FOLDERS, LOCK, LOG, RECIPE, STATE


def check_output(path: Path, inputs: Iterable[str | Path | None], option: str) -> None:
    """Refuse an output that is one of the ``inputs``, by any name or link, or is in a folder that is an input.

    ``option`` names the output in errors. Names that are not files, such as ``-``, are accepted. Raises InputError.
    """
    for name in inputs:
        if name is None or not Path(name).exists():
            continue
        if _same(path, Path(name)):
            raise InputError(f"{path} is an input too, and writing would replace it; choose another {option}")
        if Path(name).is_dir() and path.resolve().parent == Path(name).resolve():
            raise InputError(f"{path} would be in {name}, which is read as an input; choose another {option}")
    check_no_run(path, option)


def check_no_run(path: Path, option: str, allowed: str | None = None) -> None:
    """Refuse an output in a checkpoint or in a folder that a run manages, or one that would replace a file of either.

    Links are followed. ``option`` names the output in errors. ``allowed`` is what the command itself writes into the
    managed folder by default. Raises InputError.
    """
    for where in dict.fromkeys((path.absolute(), path.resolve())):
        if any((folder / ABOUT).is_file() for folder in (where, *where.parents)):
            raise InputError(f"{path} would be in a checkpoint; choose another {option}")
        for run in filter(is_run, where.parents):
            first, *rest = where.relative_to(run).parts
            if not rest and first in FILES:
                raise InputError(f"{path} is a file of the run {run.name}; choose another {option}")
            if first in FOLDERS and first != allowed:
                raise InputError(
                    f"{path} would be in {first}/ of the run {run.name}, which xlgen manages; choose another {option}"
                )


def is_run(folder: Path) -> bool:
    """Whether ``folder`` is the folder of a run, or of a stage that runs share."""
    if (folder / RECIPE).is_file():  # which alone may be the user's own
        return any((folder / name).is_file() for name in (LOG, STATE, LOCK))
    return (folder / LOG).is_file() and (folder / CHECKPOINTS).is_dir()


@contextmanager
def undone_after_errors(path: Path, ours: Iterable[str] = ()) -> Iterator[None]:
    """After an error, remove the empty folders that were created in the block, up to ``path``.

    New files in ``path`` called ``ours`` are removed too, unless something else in it is new.
    """
    made = _missing(path)
    before = set(path.iterdir()) if path.is_dir() else set()
    try:
        yield
    except BaseException:
        with suppress(OSError):
            new = set(path.iterdir()) - before
            if {file.name for file in new} <= set(ours):
                for file in new:
                    file.unlink()
        _remove_empty(made)
        raise


def check_writable(folder: Path, option: str) -> None:
    """Raise InputError if no file can be written into ``folder``. The folder is neither created nor changed."""
    made = _missing(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        said = "it is a file" if folder.is_file() else error.strerror
        raise InputError(f"{option} {folder}: {said}; name a folder that can be written to") from None
    finally:
        _remove_empty(made)


def _missing(path: Path) -> list[Path]:
    """``path`` and the folders above it that do not exist, the innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _remove_empty(folders: Iterable[Path]) -> None:
    with suppress(OSError):
        for folder in folders:
            if folder.exists():
                folder.rmdir()


@contextmanager
def whole_file(path: Path, unfinished: Path | None = None) -> Iterator[Path]:
    """A temporary file to write, which takes the place of ``path`` once the block has ended well.

    Until then, and after an error, ``path`` is as it was; a link stays one. Folders above it are made. With
    ``unfinished``, that is the temporary file, and stays after an error if anything was written. Raises InputError,
    which names ``path``, where it cannot be written.
    """
    target = path.resolve()
    temporary = unfinished or temporary_for(target)
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a folder")
    with undone_after_errors(target.parent), written_as(path, temporary):
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if target.exists():
                shutil.copymode(target, temporary)
            temporary.replace(target)
        finally:
            with suppress(OSError):
                if unfinished is None or temporary.stat().st_size == 0:
                    temporary.unlink(missing_ok=True)


@contextmanager
def replacing(path: Path, unfinished: Path | None = None) -> Iterator[TextIO]:
    """A UTF-8 text file that replaces ``path`` as :func:`whole_file` does. Devices and pipes are written directly.

    Raises InputError if it cannot be written.
    """
    if is_stream(path):
        with written_as(path), path.open("w", encoding="utf-8") as file:
            yield file
        return
    with whole_file(path, unfinished) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        yield file
        file.flush()


def is_stream(path: Path) -> bool:
    """Whether ``path`` is a device or a pipe, which cannot be replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def check_new_folder(folder: Path) -> None:
    """Raise InputError if ``folder`` is a file, is not empty, or is in a folder that a run manages."""
    check_no_run(folder, argument("out"))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} is there already; choose another {argument('out')}")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A folder that becomes ``folder``, which must be new or empty, when the block ends without an error.

    After an error it is removed. Raises InputError if it cannot be written.
    """
    temporary = folder.with_name(f"writing-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    with undone_after_errors(folder.parent):
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
def written_as(path: Path, temporary: Path | None = None) -> Iterator[None]:
    """Raise errors of writing as an InputError that names ``path``, even if another file is written first.

    If ``temporary`` is given, errors of files other than that one are not changed.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None and temporary is not None and not _is_of(error.filename, path, temporary):
            raise
        above = isinstance(error, FileExistsError | NotADirectoryError)
        said = "a file is where a folder is needed above it" if above else error.strerror or error
        raise InputError(f"cannot write {path}: {said}") from None


def _is_of(name: object, path: Path, temporary: Path) -> bool:
    found = Path(os.fsdecode(name)) if isinstance(name, str | bytes) else None
    return found is not None and (found in (path, temporary) or found in path.resolve().parents)


def temporary_for(path: Path) -> Path:
    """A temporary path next to ``path``, with the id of this process. Files left by killed processes are removed."""
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


def check_study_folder(folder: Path) -> None:
    """Raise InputError if ``folder``, meant for a study's runs and report, is the folder of a run or is inside one."""
    check_no_run(folder, argument("out"))
    if is_run(folder):
        raise InputError(
            f"{folder} holds a run, and a study's report would replace its report; choose another {argument('out')}"
        )
