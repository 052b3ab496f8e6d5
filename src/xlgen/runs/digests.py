"""Digests of files, which reveal changes since a checkpoint was saved."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from xlgen.core.registry import InputError

Digests = Mapping[str, str]
"""Digests by a file's name within its folder."""
_WHOLE = 4 * 2**30
"""Largest file in bytes that is read completely: SHA-256 takes three seconds for this size."""
_BLOCK, _BLOCKS = 2**20, 1_024
"""The size and the number of evenly spaced blocks read from a larger file. Training changes every one of them."""


def digest(file: Path) -> str:
    """The digest of a file's content; for a large file, of its size and some of its blocks.

    Raises OSError.
    """
    size = file.stat().st_size
    with file.open("rb") as opened:
        if size <= _WHOLE:
            return hashlib.file_digest(opened, "sha256").hexdigest()[:32]
        found = hashlib.sha256(f"{size} bytes\n".encode())
        for number in range(_BLOCKS):
            opened.seek((size - _BLOCK) * number // (_BLOCKS - 1))
            found.update(opened.read(_BLOCK))
    return found.hexdigest()[:32]


def digests(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """The digests of the files that exist, by name. Raises InputError for a file that cannot be read."""
    found = {}
    for name in sorted(set(names)):
        try:
            if (file := folder / name).is_file():
                found[name] = digest(file)
        except OSError as error:
            raise InputError(f"cannot read {folder / name}: {error.strerror}") from None
    return found


def changes(before: Digests, now: Digests) -> str:
    """The differences in words; an empty string if there are none."""
    words = {name: "is missing" if name not in now else "has other content" for name in before}
    different = [f"{name} {words[name]}" for name in sorted(before) if before[name] != now.get(name)]
    return ", ".join([*different, *(f"{name} is new" for name in sorted(now.keys() - before.keys()))])
