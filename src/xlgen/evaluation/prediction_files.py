"""Input and output files of ``xlgen predict``: inputs are never overwritten, and outputs only by complete ones."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

from xlgen.core.arguments import argument
from xlgen.core.outputs import replacing
from xlgen.core.registry import InputError
from xlgen.core.untrusted import check_regular
from xlgen.data.readers import DataError
from xlgen.data.readers.files import decoded

STANDARD = "-"
"""Standard input, or standard output."""


@contextmanager
def open_lines(name: str) -> Iterator[Iterator[tuple[int, str]]]:
    """The numbered lines of a UTF-8 file or of standard input. Raises DataError if they cannot be read."""
    if name == STANDARD:
        yield decoded(_standard_input(), "standard input")
        return
    with _reading(name):
        check_regular(Path(name))
        file = Path(name).open("rb")  # noqa: SIM115
    with file:
        yield _lines(file, name)


def _lines(file: BinaryIO, name: str) -> Iterator[tuple[int, str]]:
    with _reading(name):
        yield from decoded(file, name)


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Report errors of reading ``name`` as DataError."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"no file {name}") from None
    except OSError as error:
        raise DataError(f"cannot read {name}: {error.strerror}") from None


def _standard_input() -> BinaryIO:
    return sys.stdin.buffer


def check_apart(target: str, source: str) -> None:
    """Raise InputError if ``target`` is a folder, or the same file as ``source``, by name or by a link."""
    if target == STANDARD:
        return
    if Path(target).is_dir():
        raise InputError(f"cannot write {target}: it is a folder")
    there = here = None
    with suppress(OSError, ValueError, AttributeError):  # a missing file, or a stream, is not the input
        there = Path(target).stat()
        here = os.fstat(_standard_input().fileno()) if source == STANDARD else Path(source).stat()
    if there and here and os.path.samestat(there, here) and stat.S_ISREG(there.st_mode):
        raise InputError(f"{target} is also the input, which writing would erase; choose another {argument('output')}")


@contextmanager
def open_output(name: str) -> Iterator[IO[str]]:
    """Open a file for output, which replaces an older file once it is complete.

    Until then, and after an error, the output is in ``NAME.part``, which is removed if nothing was written. Pipes and
    devices are written directly, and missing folders are created. Raises InputError if ``name`` cannot be written.
    """
    if name == STANDARD:
        yield sys.stdout
        return
    final = Path(name).resolve()
    partial = final.with_name(f"{final.name}.part")
    try:
        with replacing(Path(name), partial) as file:
            yield file
    except InputError as error:
        if partial.is_file():
            raise type(error)(f"{error}. The outputs before the error are in {partial}") from None
        raise
