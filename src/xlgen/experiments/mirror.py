"""Mirror a folder of runs to an fsspec URL: ``s3://bucket/study``, ``gs://``, ``file:///mnt/nfs/study``.

Runs write into a local folder. The contents of the URL are fetched first; local changes are copied to the URL
periodically and at the end. A run whose machine is lost resumes from the newest copied checkpoint. Object stores cannot
append or rename, so the file that marks a checkpoint as complete is copied last.
"""

from __future__ import annotations

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.run_layout import ABOUT, CHECKPOINTS, STATE
from xlgen.core.untrusted import safe_join
from xlgen.data.token_cache import cache_folder
from xlgen.runs.checkpoints import is_unfinished
from xlgen.runs.files import write_atomically

log = logging.getLogger(__name__)

SECONDS = 30.0
"""Seconds between copies while runs are in progress."""
_INDEX = ".mirror.json"
_LAST = (ABOUT, STATE)
"""Files that mark something as complete. They are copied after it, and removed before it."""


def _is_last(name: str) -> bool:
    return PurePosixPath(name).name in _LAST


def is_url(place: str) -> bool:
    """Whether ``place`` is a URL and not a local folder."""
    return "://" in place


def mirror_of(url: str) -> Mirror:
    """The mirror of a study at ``url``, with its local folder in the cache folder."""
    name = PurePosixPath(url).name or "study"
    return Mirror(url, cache_folder() / "studies" / f"{name}-{hashlib.sha256(url.encode()).hexdigest()[:12]}")


class Mirror:
    """A local folder and its counterpart at a URL. With ``only``, mirrors just the run of that name.

    Raises InputError if the URL's file system is not supported.
    """

    def __init__(self, url: str, folder: Path, only: str | None = None) -> None:
        import fsspec  # imported late: local folders do not need it

        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise InputError(f"cannot open {url}: {error}") from None
        self.url, self.folder, self._only = url, folder, only
        # One copy at a time: pulling during a push would take the pushed files for changes by others.
        self._lock = threading.RLock()

    @contextmanager
    def kept(self, seconds: float = SECONDS) -> Iterator[Path]:
        """Fetch the contents of the URL into the folder; copy changes back every ``seconds`` and at the end.

        Raises InputError if the URL cannot be read or written.
        """
        self.pull()
        ended = threading.Event()

        def work() -> None:
            while not ended.wait(seconds):
                try:
                    self.push()
                except InputError as error:  # the connection may be back the next time
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
        """Fetch files that are new or changed at the URL.

        Checkpoints of finished runs are never fetched; with ``checkpoints=False``, no checkpoints are.
        """
        with self._lock, self._as_input_errors("read"):
            index = self._index()
            there = self._remote()
            done = {name for name in there if name.endswith(STATE) and self._is_done(name)}
            skipped = {str(PurePosixPath(name).parent / CHECKPOINTS) for name in done}
            for name, version in sorted(there.items(), key=lambda item: _is_last(item[0])):
                parts = PurePosixPath(name).parts
                within = CHECKPOINTS in parts and (
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
        """Copy changed files to the URL, and remove there the checkpoints that were removed here."""
        with self._lock, self._as_input_errors("write"):
            index = self._index()
            local = {str(path.relative_to(self.folder).as_posix()): path for path in self._local()}
            for name in sorted(local, key=lambda name: (_is_last(name), name)):
                with suppress(FileNotFoundError):  # removed since; the next push removes it there, too
                    version = _version(local[name])
                    if index.get(name, {}).get("here") != version:
                        self._fs.makedirs(f"{self._root}/{PurePosixPath(name).parent}", exist_ok=True)
                        self._fs.put_file(str(local[name]), f"{self._root}/{name}")
                        index[name] = {"here": version, "there": self._fs.ukey(f"{self._root}/{name}")}
            # Only removed checkpoints are removed there: runs remove these themselves. Other files may have been
            # removed by hand, and only here.
            gone = [name for name in index if name not in local and f"/{CHECKPOINTS}/" in name]
            for name in sorted(gone, key=_is_last, reverse=True):
                with suppress(FileNotFoundError):
                    self._fs.rm_file(f"{self._root}/{name}")
                del index[name]
            self._write_index(index)

    def _local(self) -> Iterator[Path]:
        for path in self.folder.rglob("*"):
            passing = path.suffix in (".lock", ".tmp", ".part") or path.name == _INDEX
            saving = any(map(is_unfinished, path.relative_to(self.folder).parts))
            if not passing and not saving and path.is_file() and self._mine(path.relative_to(self.folder).as_posix()):
                yield path

    def _mine(self, name: str) -> bool:
        run = f"runs/{self._only}"
        return self._only is None or name.startswith(f"{run}/") or name == f"{run}.log"

    def _remote(self) -> JsonObject:
        """The files at the URL: their versions by name."""
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

    def _index(self) -> dict[str, JsonObject]:
        """The versions here and there at the last copy; empty if not known, so that all files are copied again."""
        try:
            found: dict[str, JsonObject] = json.loads((self.folder / _INDEX).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def _write_index(self, index: dict[str, JsonObject]) -> None:
        write_atomically(self.folder / _INDEX, json.dumps(index))

    @contextmanager
    def _as_input_errors(self, what: str) -> Iterator[None]:
        """Raise any error of a file system as a one-line InputError. File systems raise errors of all types."""
        try:
            yield
        except InputError:
            raise
        except Exception as error:
            raise InputError(f"cannot {what} {self.url}: {str(error) or type(error).__name__}") from error


def _version(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
