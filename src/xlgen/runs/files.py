"""Robust reading and atomic writing of the files of a run folder."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from xlgen.core.json_types import JsonObject
from xlgen.core.outputs import temporary_for
from xlgen.core.registry import InputError
from xlgen.core.untrusted import check_regular, parse_json, without_surrogates

LONGEST_LINE = 64 * 2**20
"""Longest line of a JSONL file, in bytes."""
FORMAT = 1
"""The version of the file format of runs and checkpoints. Files of earlier versions have none."""
CHOSEN = "chosen"
"""The folder in which ``xlgen train --auto`` saves the chosen checkpoint."""
_STEP = re.compile(r"step-(\d{1,12})", re.ASCII)


def json_lines(path: Path) -> Iterator[JsonObject | InputError]:
    """Iterate over the JSON objects of a JSONL file, with an error for each bad line; empty if there is no file.

    Splits at newlines only, not at U+2028. Bytes that are not UTF-8, such as after a crash, invalidate only their own
    line. Lone surrogates become U+FFFD. Raises InputError if ``path`` is not a regular file.
    """
    if not path.exists():
        return
    try:
        check_regular(path)
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE):
                number += 1
                if line.strip():
                    yield parse_line(line, f"{path}, line {number}")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def parse_line(line: bytes, where: str) -> JsonObject | InputError:
    """The JSON object in a line, or an error (returned, not raised). Lone surrogates become U+FFFD."""
    try:
        text = line.decode("utf-8")
        found = parse_json(text, where)
    except UnicodeDecodeError:
        return InputError(f"{where} is not UTF-8 text")
    except InputError as error:
        return error
    if not isinstance(found, dict):
        return InputError(f"{where} must be a JSON object, not {type(found).__name__}")
    return without_surrogates(found) if "\\u" in text else found


def check_format(data: JsonObject, where: str) -> None:
    """Raise InputError if a file has a later format version than this version of xlgen supports."""
    version = data.get("format", FORMAT)
    if isinstance(version, bool) or not isinstance(version, int) or not 0 <= version <= FORMAT:
        raise InputError(
            f"{where} has the format {str(version)[:20]!r}, but this version of xlgen reads formats up to {FORMAT}; "
            "update xlgen"
        )


def step_folders(folder: Path) -> list[tuple[int, Path]]:
    """The folders ``step-N`` in ``folder`` with their N, lowest first. Names such as ``step-24.bak`` do not count."""
    if not folder.is_dir():
        return []
    found = ((step_in(path.name), path) for path in folder.iterdir())
    return sorted((step, path) for step, path in found if step is not None and path.is_dir())


def step_in(name: str) -> int | None:
    """The N of a folder's name ``step-N``; None for any other name."""
    return int(match[1]) if (match := _STEP.fullmatch(name)) else None


def write_atomically(path: Path, content: str | bytes) -> Path:
    """Write ``content`` atomically: ``path`` has either the old or the new content. Creates the folder.

    If writing fails, such as on a full disk, no temporary file remains, and the OSError names ``path``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_for(path)
    try:
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return path


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Add ``path`` to an OSError that names no file, such as from a write to a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            raise OSError(error.errno, error.strerror or str(error), str(path)) from None
        raise


def finite(value: object) -> float | None:
    """``value`` as a float; None for NaN, infinity and anything that is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer too large for a float
        return None
