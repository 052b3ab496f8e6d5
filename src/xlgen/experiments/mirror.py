"""A folder of runs that is kept alike to a place of fsspec's: ``s3://bucket/study``, ``gs://``, ``file:///mnt/nfs/study``.

Runs write into a folder of this machine, as ever; what changes there is copied out now and then and at the end, and
what is there already is fetched first. So a run that is lost with its machine goes on from the newest checkpoint that
was copied, and object stores, which cannot append or rename, are never written to by halves: of a checkpoint the file
that makes it one goes last.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

from xlgen.core.registry import InputError
from xlgen.core.untrusted import safe_join
from xlgen.data.token_cache import cache_folder

log = logging.getLogger(__name__)

SECONDS = 30.0
"""Between copies while runs are going."""
_INDEX = ".mirror.json"
_LAST = ("checkpoint.json", "state.json")
"""What says that something is whole, and so is copied after it, and removed before it."""


def _is_last(name: str) -> bool:
    return PurePosixPath(name).name in _LAST


def is_url(place: str) -> bool:
    """Whether ``place`` names a file system, and not a folder of this machine."""
    return "://" in place


def mirror_of(url: str) -> Mirror:
    """The mirror of a study at ``url``, in the folder for caches."""
    name = PurePosixPath(url).name or "study"
    return Mirror(url, cache_folder() / "studies" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}")


class Mirror:
    """A folder and its counterpart, or of both the run called ``only``.

    Raises InputError for a URL that nothing here can open.
    """

    def __init__(self, url: str, folder: Path, only: str | None = None) -> None:
        import fsspec  # not for who works in a folder only

        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(f"cannot open {url}: {error}") from None
        self.url, self.folder, self._only = url, folder, only
        # One copy at a time: what pulls while another pushes would take its own files for foreign ones.
        self._lock = threading.RLock()

    @contextmanager
    def kept(self, seconds: float = SECONDS) -> Iterator[Path]:
        """The folder, with all that is at the URL; changes go there every ``seconds`` and at the end.

        Raises InputError where the URL cannot be read or written.
        """
        self.pull()
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(seconds):
                try:
                    self.push()
                except InputError as error:  # there may be a connection again the next time
                    log.warning("%s; trying again", error)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            yield self.folder
        finally:
            ended.set()
            thread.join()
            self.push()

    def pull(self, checkpoints: bool = True) -> None:
        """Fetch what is newer there. Checkpoints are left out where runs have ended, or altogether."""
        with self._lock, self._told("read"):
            index = self._index()
            there = self._remote()
            done = {name for name in there if name.endswith("state.json") and self._is_done(name)}
            skipped = {str(PurePosixPath(name).parent / "checkpoints") for name in done}
            for name, version in sorted(there.items(), key=lambda item: _is_last(item[0])):
                parts = PurePosixPath(name).parts
                within = "checkpoints" in parts and (
                    not checkpoints or any(str(parent) in skipped for parent in PurePosixPath(name).parents)
                )
                local = safe_join(self.folder, name, f"{self.url}: the name")
                if within or (local.exists() and index.get(name, {}).get("there") == version):
                    continue
                local.parent.mkdir(parents=True, exist_ok=True)
                temporary = local.with_name(local.name + ".part")
                self._fs.get_file(f"{self._root}/{name}", str(temporary))
                temporary.replace(local)
                index[name] = {"here": _version(local), "there": version}
            self._write_index(index)

    def push(self) -> None:
        """Copy out what has changed here, and remove there what was removed here."""
        with self._lock, self._told("write"):
            index = self._index()
            local = {str(path.relative_to(self.folder).as_posix()): path for path in self._local()}
            for name in sorted(local, key=lambda name: (_is_last(name), name)):
                with suppress(FileNotFoundError):  # it is gone since, and so it goes there, too, the next time
                    version = _version(local[name])
                    if index.get(name, {}).get("here") != version:
                        self._fs.makedirs(f"{self._root}/{PurePosixPath(name).parent}", exist_ok=True)
                        self._fs.put_file(str(local[name]), f"{self._root}/{name}")
                        index[name] = {"here": version, "there": self._fs.ukey(f"{self._root}/{name}")}
            # Runs remove checkpoints. What else is not here any more somebody has removed, who may not mean it there.
            gone = [name for name in index if name not in local and "/checkpoints/" in name]
            for name in sorted(gone, key=_is_last, reverse=True):
                with suppress(FileNotFoundError):
                    self._fs.rm_file(f"{self._root}/{name}")
                del index[name]
            self._write_index(index)

    def _local(self) -> Iterator[Path]:
        for path in self.folder.rglob("*"):
            passing = path.suffix in (".lock", ".tmp", ".part") or path.name == _INDEX
            saving = any(part.startswith(("saving-", "removing-")) for part in path.relative_to(self.folder).parts)
            if not passing and not saving and path.is_file() and self._mine(path.relative_to(self.folder).as_posix()):
                yield path

    def _mine(self, name: str) -> bool:
        run = f"runs/{self._only}"
        return self._only is None or name.startswith(f"{run}/") or name == f"{run}.log"

    def _remote(self) -> dict[str, Any]:
        """What is there, by name, with its version."""
        self._fs.invalidate_cache()
        root = self._fs._strip_protocol(self._root).rstrip("/")
        with suppress(FileNotFoundError):
            names = [path[len(root) + 1 :] for path in self._fs.find(root)]
            return {name: self._fs.ukey(f"{root}/{name}") for name in names if self._mine(name)}
        return {}

    def _is_done(self, name: str) -> bool:
        try:
            return bool(json.loads(self._fs.cat_file(f"{self._root}/{name}")).get("status") == "done")
        except (OSError, ValueError, AttributeError):
            return False

    def _index(self) -> dict[str, dict[str, Any]]:
        """What was alike when it was last looked at; nothing where that is not known, and all is compared again."""
        try:
            found: dict[str, dict[str, Any]] = json.loads((self.folder / _INDEX).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _write_index(self, index: dict[str, dict[str, Any]]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / f"{_INDEX}.tmp"
        temporary.write_text(json.dumps(index), encoding="utf-8")
        temporary.replace(self.folder / _INDEX)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        """Whatever a file system raises, in one line. They raise what their libraries do."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"cannot {what} {self.url}: {str(error) or type(error).__name__}") from error


def _version(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
