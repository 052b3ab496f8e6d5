"""A read-only file system for DuckDB that contains the files of runs and no other file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

from fsspec.spec import AbstractFileSystem

from xlgen.core.json_types import JsonObject
from xlgen.core.untrusted import check_regular

PROTOCOL = "xlgen-runs"
PREFIX = f"{PROTOCOL}://"
# Characters that DuckDB reads as a glob pattern, or that url_decode would change.
_SPECIAL = re.compile(r"[%*?\[\]+]")
_FILE = re.compile(r"/(?:metrics\.jsonl|predictions/step-\d{1,12}/[^/]+\.jsonl)")


def address(path: Path) -> str:
    """The URL of a run's file in this file system."""
    return PREFIX + _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", str(path))


class RunFiles(AbstractFileSystem):  # type: ignore[misc]  # fsspec has no annotations
    """Logs and predictions of the runs in ``folders``. Other files do not exist in it."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, folders: Iterable[str] = ()) -> None:
        super().__init__()
        self._folders = frozenset(folders)

    @classmethod
    def _strip_protocol(cls, path: str | list[str]) -> str | list[str]:
        return (
            [str(each).removeprefix(PREFIX) for each in path] if isinstance(path, list) else path.removeprefix(PREFIX)
        )

    def _local(self, name: str) -> Path:
        """The path of the file. Raises FileNotFoundError if it does not belong to a run."""
        path = unquote(name.removeprefix(PREFIX))
        folder = next((str(parent) for parent in Path(path).parents if str(parent) in self._folders), None)
        if folder is None or not _FILE.fullmatch(path[len(folder) :]):
            raise FileNotFoundError(f"{path} is not a file of these runs")
        return Path(path)

    def info(self, path: str, **options: object) -> JsonObject:
        """Name, size and type of a file. Raises FileNotFoundError."""
        return {"name": self._strip_protocol(path), "size": self._local(path).stat().st_size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **options: object) -> list[str]:
        """An empty list: files are opened only by name."""
        return []

    def glob(self, path: str, maxdepth: int | None = None, **options: object) -> list[str]:
        """The file with exactly this name, if it exists. Patterns are not expanded."""
        try:
            self._local(path)
        except FileNotFoundError:
            return []
        return [path.removeprefix(PREFIX)]

    def modified(self, path: str) -> datetime:
        """The time of the last modification."""
        return datetime.fromtimestamp(self._local(path).stat().st_mtime, UTC)

    def open(self, path: str, mode: str = "rb", *arguments: object, **options: object) -> BinaryIO:
        """Open the file for reading. Raises PermissionError for any other mode."""
        if mode not in ("r", "rb"):
            raise PermissionError("the files of runs are read-only")
        local = self._local(path)
        check_regular(local)
        return local.open("rb")
