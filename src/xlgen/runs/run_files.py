"""The files of runs as a file system that DuckDB can read, and nothing else: no other file, and no way to write."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

from fsspec.spec import AbstractFileSystem

from xlgen.core.untrusted import check_regular

PROTOCOL = "xlgen-runs"
PREFIX = f"{PROTOCOL}://"
# What DuckDB takes for a pattern of names, or url_decode for something else.
_SPECIAL = re.compile(r"[%*?\[\]+]")
_FILE = re.compile(r"/(?:metrics\.jsonl|predictions/step-\d{1,12}/[^/]+\.jsonl)")


def address(path: Path) -> str:
    """The name of a file of a run in this file system."""
    return PREFIX + _SPECIAL.sub(lambda found: f"%{ord(found[0]):02X}", str(path))


class RunFiles(AbstractFileSystem):
    """Logs and predictions of the runs in ``folders``; whatever else is asked for is not there."""

    protocol = PROTOCOL
    cachable = False

    def __init__(self, folders: Iterable[str] = ()) -> None:
        super().__init__()
        self._folders = frozenset(folders)

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return (
            [str(each).removeprefix(PREFIX) for each in path] if isinstance(path, list) else path.removeprefix(PREFIX)
        )

    def _local(self, name: str) -> Path:
        """The file on this machine. Raises FileNotFoundError for one that is none of a run's."""
        path = unquote(name.removeprefix(PREFIX))
        folder = next((str(parent) for parent in Path(path).parents if str(parent) in self._folders), None)
        if folder is None or not _FILE.fullmatch(path[len(folder) :]):
            raise FileNotFoundError(f"{path} is no file of these runs")
        return Path(path)

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name and size. Raises FileNotFoundError."""
        return {"name": self._strip_protocol(path), "size": self._local(path).stat().st_size, "type": "file"}

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """Nothing: files are asked for by name."""
        return []

    def glob(self, path: str, maxdepth: int | None = None, **options: Any) -> list[str]:
        """The file of this name, which is no pattern."""
        try:
            self._local(path)
        except FileNotFoundError:
            return []
        return [self._strip_protocol(path)]

    def modified(self, path: str) -> datetime:
        """When the file was last written."""
        return datetime.fromtimestamp(self._local(path).stat().st_mtime, UTC)

    def open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> BinaryIO:
        """The file, to read. Raises PermissionError for any other mode."""
        if mode not in ("r", "rb"):
            raise PermissionError("the files of runs are read only")
        local = self._local(path)
        check_regular(local)
        return local.open("rb")
