"""Digests of files, by which one that has changed since a checkpoint was saved is found."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from xlgen.core.registry import InputError

Digests = Mapping[str, str]
"""By a file's name within its folder."""
_WHOLE = 4 * 2**30
"""Bytes of a file that is read from its first to its last byte: SHA-256 takes three seconds for them."""
_BLOCK, _BLOCKS = 2**20, 1_024
"""Of a larger file, this many blocks at equal distances are read. Training changes every one of them."""


def digest(file: Path) -> str:
    """The digest of a file's content: of all of it, or of its size and some of its blocks where it is large.

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
    """The digests of those files that there are, by name. Raises InputError for a file that cannot be read."""
    found = {}
    for name in sorted(set(names)):
        try:
            if (file := folder / name).is_file():
                found[name] = digest(file)
        except OSError as error:
            raise InputError(f"cannot read {folder / name}: {error.strerror}") from None
    return found


def changes(before: Digests, now: Digests) -> str:
    """What differs, in words; nothing where nothing does."""
    words = {name: "is missing" if name not in now else "has other content" for name in before}
    different = [f"{name} {words[name]}" for name in sorted(before) if before[name] != now.get(name)]
    return ", ".join([*different, *(f"{name} is new" for name in sorted(now.keys() - before.keys()))])
