"""A process that trains one recipe after another, so that each worker imports the libraries only once.

It reads one job per line from standard input, ``{"recipe": {...}, "folder": FOLDER, "log": FILE, "until": STEP,
"threads": NUMBER}``, and writes each job's exit code to standard output. Its input ends when the parent process ends,
for whatever reason. A run in training then saves a checkpoint and stops, and the worker ends.
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

from xlgen.core.config import Recipe, validate
from xlgen.core.errors import report
from xlgen.core.interrupt import InterruptedRunError, request_stop
from xlgen.core.json_types import JsonObject
from xlgen.experiments.execute import is_done
from xlgen.experiments.plan import PlannedRun
from xlgen.experiments.worker_pool import INTERRUPTED
from xlgen.runs.folder import lock_run

_READ = 65_536


def train_one(recipe: JsonObject, folder: Path, until: int | None = None) -> int:
    """Train ``recipe`` in ``folder``, or resume it, unless it is already done; print errors.

    Training stops at the step ``until`` of the last stage, if given. Returns the exit code of ``xlgen train``, or
    INTERRUPTED for a run that was stopped and has saved.
    """
    from xlgen.training.run import train

    try:
        run = PlannedRun(folder.name, validate(Recipe, recipe, folder.name), until)
        # Another study process, or a worker of a killed one, may be training this run, and may finish it while we wait.
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
    """The jobs from standard input, read in a thread so that the end of input is noticed during a job."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes | None] = SimpleQueue()
        self._busy, self._ended = threading.Event(), threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def __iter__(self) -> Iterator[JsonObject]:
        """Iterate over the jobs. Jobs left when the input ends are not started, because nobody waits for them."""
        while (line := self._lines.get()) is not None:
            self._busy.set()
            if self._ended.is_set():
                return
            yield json.loads(line)

    def done(self) -> None:
        """Mark the current job as ended; its exit code may be written."""
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
            os.write(2, b"the process that started this worker has ended, so the worker ends\n")
            os._exit(INTERRUPTED)


def _set_threads(threads: int) -> None:
    """Set the number of threads of the next job, which may differ from the one before."""
    import torch

    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def main() -> None:
    """Run the jobs from standard input. The output of each run goes to its log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    jobs = _Jobs(os.dup(0))
    for job in jobs:
        with Path(job["log"]).open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        _set_threads(job["threads"])
        code = train_one(job["recipe"], Path(job["folder"]), job["until"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        jobs.done()
        try:
            answers.write(f"{code}\n")
            answers.flush()
        except BrokenPipeError:  # the parent process has ended
            os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
