"""Worker processes for a study's runs: start, keep and stop them, and set their number of threads."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from xlgen.experiments.plan import PlannedRun

INTERRUPTED = 75
"""The exit code of a run that was stopped and has saved (EX_TEMPFAIL in sysexits.h)."""
_POLL_SECONDS = 0.5


def isolated() -> dict[str, str]:
    """Environment variables that keep a worker from importing modules from the current folder."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part not in ("", ".")]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(path)}


class Worker:
    """A worker process that trains one run after another. A process that died is replaced by a new one.

    The process ends when this one ends, for whatever reason, because its standard input is then closed.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        # By default, a thread that waits for the others keeps its core busy. If anything else runs on the cores, such
        # as another worker, each operation then waits until the system takes turns: training is five times slower.
        self.environment.setdefault("OMP_WAIT_POLICY", "PASSIVE")
        self.environment |= isolated()
        self.process: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None], threads: int | None = None) -> int:
        """Train ``run`` in ``folder``, calling ``watch`` periodically. By default, it has the worker's ``threads``.

        Returns the exit code when the run has ended: INTERRUPTED if it saved and stopped, or if its worker ended
        without an answer; negative if a signal killed the worker.
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
        job["threads"] = threads or self._threads
        with suppress(BrokenPipeError, ValueError):  # the worker has ended or is ending; it will not answer
            process.stdin.write(json.dumps(job).encode() + b"\n")
            process.stdin.flush()
        if self._stopping:  # set by another thread, which may not know this process
            self.stop()
        while not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            watch()
        if answer := process.stdout.readline():
            return int(answer)
        self.process = None
        return min(process.wait(), 0) or INTERRUPTED

    def stop(self) -> None:
        """Make the worker save its run and end; :meth:`train` then returns INTERRUPTED."""
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


class WorkerPool:
    """Workers that are kept until the pool closes: importing the libraries takes a new process several seconds."""

    def __init__(self) -> None:
        self._workers: list[Worker] = []

    def take(self, count: int, threads: int) -> list[Worker]:
        """The first ``count`` workers. Missing ones are added, with ``threads`` threads each."""
        while len(self._workers) < count:
            self._workers.append(Worker(threads))
        return self._workers[:count]

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(self, *error: object) -> None:
        """Let all workers end, and wait for them."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.close()


def threads_of(workers: int) -> int:
    """The threads of each of ``workers`` parallel runs: a share of the cores, and no more than OMP_NUM_THREADS.

    It depends on the requested number of workers, not on the number of remaining runs. The number of threads changes
    the order of floating-point sums, and a resumed study must give the same values.
    """
    share = max(1, (os.cpu_count() or 1) // max(1, workers))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share


def threads_by_run(runs: Sequence[PlannedRun], workers: int, spread: bool = True) -> dict[str, int]:
    """The number of threads of each of a study's ``runs`` on ``workers`` workers.

    If the number of runs is no multiple of the number of workers, some workers have nothing to do at the end. With
    ``spread``, the last runs share all cores: of five runs on two workers, the fifth has the threads of both. Baselines
    do not count, since they do not train. Like :func:`threads_of`, this does not depend on which runs are left to do.
    """
    found = {run.name: threads_of(workers) for run in runs}
    trained = [run.name for run in runs if run.recipe.baseline is None]
    last = len(trained) % max(1, workers) if spread else 0
    return found | dict.fromkeys(trained[len(trained) - last :], threads_of(last))


def log_of(folder: Path) -> Path:
    """The log file of the run in ``folder``."""
    return folder.parent / f"{folder.name}.log"
