"""Worker processes that a study's runs are trained in: started, stopped, and how many threads each has."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from xlgen.experiments.plan import PlannedRun

INTERRUPTED = 75
"""What a worker answers of a run that was asked to stop and has saved (EX_TEMPFAIL of sysexits.h)."""
_POLL_SECONDS = 0.5


def isolated() -> dict[str, str]:
    """What keeps a worker from importing modules out of the folder that it happens to be started in."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part not in ("", ".")]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(path)}


class Worker:
    """A worker process that trains one run after another; a new one takes the place of one that died.

    It ends with this process, however that ends: its standard input is closed then.
    """

    def __init__(self, threads: int) -> None:
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        self.environment |= isolated()
        self.process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None]) -> int:
        """Train ``run`` in ``folder``, calling ``watch`` now and then.

        Returns its exit code once it has ended: INTERRUPTED where it saved and stopped, or where its worker ended
        without an answer; negative for a signal that killed the worker.
        """
        log = log_of(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")
        process = self.process
        if process is None or process.poll() is not None:
            process = self._start(log)
        assert process.stdin and process.stdout
        recipe = run.recipe.model_dump(mode="json")
        job = {"recipe": recipe, "folder": str(folder), "log": str(log), "until": run.until}
        with suppress(BrokenPipeError, ValueError):  # it has ended, or is to end: there will be no answer
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        if self._stopping:  # by another thread, which may not have seen this process
            self.stop()
        while not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            watch()
        if answer := process.stdout.readline():
            return int(answer)
        self.process = None
        return min(process.wait(), 0) or INTERRUPTED

    def stop(self) -> None:
        """Have the worker save what is in training and end; :meth:`train` then returns INTERRUPTED."""
        self._stopping = True
        if (process := self.process) is not None and process.stdin:
            with suppress(OSError):
                process.stdin.close()

    def close(self) -> None:
        """Let the worker end, and wait for it."""
        self.stop()
        if self.process is not None:
            self.process.wait()

    def _start(self, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "xlgen.experiments.worker"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, env=self.environment
            )
        return self.process


def threads_of(workers: int) -> int:
    """The threads of each of ``workers`` runs side by side: a share of the cores, and no more than OMP_NUM_THREADS.

    It goes by what was asked for, not by how many runs are left: threads add up in another order than one does, and a
    study that is continued has to come to the same values.
    """
    share = max(1, (os.cpu_count() or 1) // max(1, workers))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share


def log_of(folder: Path) -> Path:
    """Where what a run says goes."""
    return folder.parent / f"{folder.name}.log"
