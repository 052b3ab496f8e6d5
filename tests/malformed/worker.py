"""Runs commands in one process, one after another, each on a world with one thing spoiled; a line in, a line out."""

import base64
import io
import json
import os
import shutil
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

from xlgen.cli import main


def versions(root: Path) -> dict[str, tuple[int, int]]:
    """Every regular file with its size and time."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder, name)
            status = path.lstat()
            found[str(path.relative_to(root))] = (status.st_size, status.st_mtime_ns)
    return found


def put(path: Path, edit: dict[str, Any]) -> None:
    """Spoil the file at ``path``."""
    path.unlink()
    if "data" in edit:
        path.write_bytes(base64.b64decode(edit["data"]))
        return
    place = edit["place"]
    if place == "folder":
        path.mkdir()
    elif place == "fifo":
        os.mkfifo(path)
    elif place == "loop":
        path.symlink_to(path)
    elif place == "device":
        path.symlink_to("/dev/zero")


def put_back(root: Path, pristine: Path, path: str) -> None:
    """The good file, or the good folder, in place of whatever is there."""
    target = root / path
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)
    if (pristine / path).is_dir():
        shutil.copytree(pristine / path, target)
    else:
        shutil.copy2(pristine / path, target)


def run(argv: list[str], stdin: bytes) -> tuple[int, str]:
    """Exit code and what went to standard error; 99 for an exception that was let through."""
    sys.argv = ["xlgen", *argv]
    own = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    with suppress(OSError):
        os.ftruncate(2, 0)
        os.lseek(2, 0, os.SEEK_SET)
    try:
        main()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
    except BaseException:
        code = 99
        traceback.print_exc()
    finally:
        sys.stdin = own
    sys.stderr.flush()
    return code, os.pread(2, 20_000, 0).decode("utf-8", "replace")


def serve(root: Path, pristine: Path) -> None:
    """Answer cases until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    cases = os.fdopen(os.dup(0), "r")
    log = os.open(root.parent / f"stderr-{os.getpid()}", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 2)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 0)
    os.chdir(root)
    for line in cases:
        case = json.loads(line)
        for path, edit in case["edits"].items():
            put(root / path, edit)
        before = versions(root)
        started = time.monotonic()
        code, said = run(case["argv"], base64.b64decode(case["stdin"]))
        seconds = time.monotonic() - started
        after = versions(root)
        kept = {path: version for path, version in before.items() if not path.startswith(tuple(case["changes"]))}
        lost = sorted(path for path, version in kept.items() if after.get(path) != version)
        for path in sorted(after.keys() - before.keys()):
            (root / path).unlink(missing_ok=True)
        for path in (*case["edits"], *case["changes"], *lost):
            put_back(root, pristine, path)
        shutil.rmtree(root / "out", ignore_errors=True)
        answers.write(json.dumps({"code": code, "said": said, "seconds": seconds, "lost": lost}) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), Path(sys.argv[2]))
