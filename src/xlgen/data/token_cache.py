"""A cache on disk for the token ids of large amounts of text.

A cache file is an int32 array: a digest of the rest, the number of texts, the number of ids of each text, and all ids.
Its name is a hash of the tokenizer and the texts, so that it is never out of date. The folder is private to the user; a
file that another user created, or could have changed, is not trusted.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

log = logging.getLogger(__name__)

Ids = NDArray[np.int32]

_TOGETHER = 1_024
_WORTH_KEEPING = 2_000_000
"""Minimum characters of texts to cache; they take about a second to tokenize."""
_DIGEST = 8
"""Length of a digest in 32-bit numbers."""
_LARGEST_CACHE = 4 * 2**30
"""Maximum bytes of the cache; the least recently used files are removed first."""


def cache_folder() -> Path:
    """``$XLGEN_CACHE``, or ``xlgen`` in the user's cache folder."""
    own = os.environ.get("XLGEN_CACHE")
    return Path(own) if own else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "xlgen"


class Tokenizes(Protocol):
    """A tokenizer of many texts."""

    @property
    def fingerprint(self) -> bytes:
        """A digest of everything that affects the ids."""

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""


def pieces_of(texts: Sequence[str], tokenizer: Tokenizes) -> list[Ids]:
    """The ids of each text; the cache is used for large amounts of text.

    A cache that cannot be read or written only costs time.
    """
    if sum(map(len, texts)) < _WORTH_KEEPING:
        return list(_tokenized(texts, tokenizer))
    path = cache_folder() / "pieces" / f"{_key(texts, tokenizer)}.npy"
    found = _read(path, len(texts))
    if found is None:
        found = list(_tokenized(texts, tokenizer))
        _write(path, found)
    return found


def _tokenized(texts: Sequence[str], tokenizer: Tokenizes) -> Iterator[Ids]:
    for first in range(0, len(texts), _TOGETHER):
        yield from (np.array(ids, np.int32) for ids in tokenizer.tokenize(texts[first : first + _TOGETHER]))


def _key(texts: Sequence[str], tokenizer: Tokenizes) -> str:
    digest = hashlib.sha256(b"2" + tokenizer.fingerprint)  # 2: the version of the file
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def _read(path: Path, count: int) -> list[Ids] | None:
    """The ids in a file, memory-mapped; None if the file is missing, damaged or not private."""
    try:
        for each in (path.parent, path):
            check_private(each)
        numbers: Ids = np.load(path, mmap_mode="r", allow_pickle=False)
        if numbers.dtype != np.int32 or numbers.ndim != 1 or not np.array_equal(numbers[:_DIGEST], _digest(numbers)):
            raise ValueError("it is not what was written")
        lengths = numbers[_DIGEST + 1 : _DIGEST + 1 + count]
        ends = lengths.cumsum(dtype=np.int64) + _DIGEST + 1 + count
        if numbers[_DIGEST] != count or (lengths < 0).any() or ends[-1] != len(numbers):
            raise ValueError("it is not what was written")
        os.utime(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, IndexError, EOFError) as error:
        log.warning("%s is created again: %s", path, error)
        return None
    return np.split(numbers, [_DIGEST + 1 + count, *ends[:-1]])[1:]


def _digest(numbers: Ids) -> Ids:
    """The digest of all numbers after the digest itself."""
    return np.frombuffer(hashlib.sha256(numbers[_DIGEST:].tobytes()).digest(), np.int32)


def check_private(path: Path) -> None:
    """Raise ValueError for a file or folder that another user created or could have changed."""
    status = path.stat()
    if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
        raise ValueError("another user may have written it; set XLGEN_CACHE to a separate folder with mode 700")


def _write(path: Path, found: Sequence[Ids]) -> None:
    head = np.array([*[0] * _DIGEST, len(found), *map(len, found)], np.int32)
    numbers = np.concatenate([head, *found])
    numbers[:_DIGEST] = _digest(numbers)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        check_private(path.parent)
        _make_room(path.parent, numbers.nbytes)
        with temporary.open("wb") as file:
            temporary.chmod(0o600)
            np.save(file, numbers)
        temporary.replace(path)
    except (OSError, ValueError) as error:
        log.warning("token ids are not cached in %s: %s", path.parent, error)
        with suppress(OSError):
            temporary.unlink()


def _make_room(folder: Path, size: int) -> None:
    files = sorted(((path.stat().st_mtime, path.stat().st_size, path) for path in folder.iterdir()), reverse=True)
    for _, taken, path in files:
        size += taken
        if size > _LARGEST_CACHE:
            with suppress(OSError):
                path.unlink()
