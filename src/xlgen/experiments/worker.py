"""A process that trains one recipe after another, so that a study loads the libraries once a lane.

It reads a job a line from standard input, ``{"recipe": {...}, "folder": FOLDER, "log": FILE, "until": STEP}``, and
answers each with its exit code on standard output. Its input ends with the process that started it, however that
ends; a run in training then saves a checkpoint and stops, and the worker ends.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from xlgen.core.config import Recipe, validate
from xlgen.core.errors import report
from xlgen.core.interrupt import InterruptedRunError, request_stop
from xlgen.experiments.execute import is_done
from xlgen.experiments.plan import PlannedRun
from xlgen.experiments.worker_pool import INTERRUPTED
from xlgen.runs.folder import lock_run

_READ = 65_536


def train_one(recipe: dict[str, Any], folder: Path, until: int | None = None) -> int:
    """Train ``recipe`` in ``folder``, or go on with it, unless it has come so far; errors are printed.

    ``until``: no further than to this step of the last stage, for now. Returns ``xlgen train``'s exit code, or
    INTERRUPTED for a run that was asked to stop and has saved.
    """
    from xlgen.training.run import train

    try:
        run = PlannedRun(folder.name, validate(Recipe, recipe, folder.name), until)
        # Another launch, or a worker of one that was killed, may be at it, and have finished it when we may begin.
        with lock_run(folder, wait=True):
            if not is_done(run, folder):
                train(run.recipe, folder, resume=True, until=until)
    except InterruptedRunError as error:
        print(error, flush=True)
        return INTERRUPTED
    except Exception as error:
        code, message = report(error)
        print(message, flush=True)
        return code
    return 0


class _Jobs:
    """The jobs of standard input, read in a thread so that its end is seen while a job is being done."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._busy, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Each job; one that is left when the input has ended is not begun, for nobody waits for its answer."""
        while (line := self._lines.get()) is not None:
            self._busy.set()
            if self._ended.is_set():
                return
            yield json.loads(line)

    def done(self) -> None:
        """The job has ended, and its answer may be given."""
        self._busy.clear()

    def _read(self) -> None:
        rest = b""
        while read := os.read(self._descriptor, _READ):
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                self._lines.put(line)
        self._ended.set()
        self._lines.put(None)
        if self._busy.is_set() and not request_stop():
            # Nothing is in training, so there is nothing to save.
            os.write(2, b"the process that started this worker has ended, and so does the worker\n")
            os._exit(INTERRUPTED)


def main() -> None:
    """Do the jobs of standard input. What a run prints goes to its log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    jobs = _Jobs(os.dup(0))
    for job in jobs:
        with Path(job["log"]).open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = train_one(job["recipe"], Path(job["folder"]), job["until"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        jobs.done()
        try:
            answers.write(f"{code}\n")
            answers.flush()
        except BrokenPipeError:  # nobody is there to read it
            os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
