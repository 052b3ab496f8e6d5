"""Run a study's runs in worker processes, side by side; finished ones are skipped, failed ones reported."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xlgen.config import Recipe, validate
from xlgen.registry import InputError
from xlgen.results.files import finite
from xlgen.results.records import last_event
from xlgen.study.budget import Budget
from xlgen.study.plan import PlannedRun, Study
from xlgen.training.folder import RunFolder, recipe_in

_POLL_SECONDS = 0.5
_RUNS = "{study}/runs/"
_COLUMNS = (
    TextColumn("{task.description:<28}", markup=False),
    BarColumn(),
    TextColumn("{task.fields[note]:<16}", markup=False),
    TimeElapsedColumn(),
)


def isolated() -> dict[str, str]:
    """What keeps a worker from importing modules out of the folder that it happens to be started in."""
    path = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part not in ("", ".")]
    return {"PYTHONSAFEPATH": "1", "PYTHONPATH": os.pathsep.join(path)}


class Lane:
    """A worker process that trains one run after another; a new one takes the place of one that died."""

    def __init__(self, threads: int) -> None:
        self.environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
        self.environment |= isolated()
        self.process: subprocess.Popen[bytes] | None = None

    def train(self, run: PlannedRun, folder: Path, watch: Callable[[], None]) -> int:
        """Train ``run`` in ``folder``, calling ``watch`` now and then.

        Returns its exit code once it has ended, negative for a signal.
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
        process.stdin.write(json.dumps(job).encode() + b"\n")
        process.stdin.flush()
        while not select.select([process.stdout], [], [], _POLL_SECONDS)[0]:
            watch()
        if answer := process.stdout.readline():
            return int(answer)
        self.process = None
        return process.wait()

    def close(self) -> None:
        """Let the worker end."""
        if self.process is not None and self.process.stdin:
            self.process.stdin.close()
            self.process.wait()

    def _start(self, log: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "xlgen.study.worker"]
        with log.open("ab") as file:
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file, env=self.environment
            )
        return self.process


def progress_of(folder: Path) -> tuple[int, str]:
    """How far the run in ``folder`` has come: (steps done, what it is doing)."""
    event = last_event(folder / "metrics.jsonl")
    if event is None:
        return 0, "loading"
    if event["event"] == "figure":
        return event["step"], f"scored {event['language']}"
    loss = finite(event.get("loss"))
    return event["step"], "training" if loss is None else f"loss {loss:.2f}"


def placed(run: PlannedRun, out: Path) -> PlannedRun:
    """The run as it is in the study's folder ``out``: with a place for stages that others of the study share, where it
    has any and names none itself, and with ``{study}`` in a baseline's ``run`` standing for the folder."""
    changes: dict[str, Any] = {}
    if len(run.recipe.stages) > 1 and run.recipe.cache_dir is None:
        changes["cache_dir"] = str(out / "stages")
    if needed := needs(run):
        changes["baseline"] = {**(run.recipe.baseline or {}), "run": str(out / "runs" / needed)}
    return replace(run, recipe=run.recipe.model_copy(update=changes))


def needs(run: PlannedRun) -> str | None:
    """The run of the study that a baseline of it starts from."""
    path = str((run.recipe.baseline or {}).get("run", ""))
    return path.removeprefix(_RUNS) if path.startswith(_RUNS) else None


def status(folder: Path) -> str | None:
    """What became of the run in ``folder``: running, paused, interrupted, diverged or done; None of one that never
    began."""
    return RunFolder(folder).state.status


def is_done(run: PlannedRun, folder: Path) -> bool:
    """Whether ``run`` came as far as it is to come in ``folder``. Raises InputError where that holds another run."""
    state = RunFolder(folder).state
    last = state.stage == len(run.recipe.stages) - 1
    reached = run.until is not None and last and (state.step or 0) >= run.until and state.status != "diverged"
    if state.status != "done" and not reached:
        return False
    file = folder / "recipe.yaml"
    try:  # validated, so that a key that is younger than the run has its default there
        before: Recipe = validate(Recipe, recipe_in(file), str(file))
    except InputError:
        raise InputError(
            f"{folder} holds a finished run whose recipe.yaml is damaged; move the folder away, and it is made again"
        ) from None
    if before.deciding() != run.recipe.deciding():
        raise InputError(f"{folder} holds a finished run of another recipe; choose another --out")
    return True


def lanes_for(study: Study) -> int:
    """Runs side by side where nobody says how many: one a core, and no more than a study without a search has."""
    cores = os.cpu_count() or 1
    return cores if study.search is not None else max(1, min(cores, len(study.runs)))


def threads_of(workers: int) -> int:
    """The threads of each of so many runs side by side: a share of the cores, and no more than OMP_NUM_THREADS.

    It goes by what was asked for, not by how many runs are left: threads add up in another order than one does, and a
    study that is gone on with has to come to the same figures.
    """
    share = max(1, (os.cpu_count() or 1) // max(1, workers))
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return min(share, int(asked)) if asked.isdigit() and int(asked) else share


def execute(study: Study, out: Path, workers: int, console: Console, budget: Budget | None = None) -> dict[str, str]:
    """Run what is missing of ``study`` into ``out``; return the failed runs with the ends of their logs.

    Runs that ``budget`` has no time for are left out, and named in it.
    """
    budget = budget or Budget()
    runs = [placed(run, out) for run in study.runs]
    first = {run.name: needs(run) for run in study.runs}
    waiting = [run for run in runs if not is_done(run, out / "runs" / run.name)]
    threads = threads_of(workers)
    workers = max(1, min(workers, len(waiting)))
    lanes: Queue[Lane] = Queue()
    for _ in range(workers):
        lanes.put(Lane(threads))
    failed: dict[str, str] = {}
    with Progress(*_COLUMNS, console=console, disable=not console.is_terminal) as bars:
        whole = bars.add_task(f"{len(runs)} runs", total=len(runs), completed=len(runs) - len(waiting), note="")

        def work(run: PlannedRun) -> None:
            """One run, on a lane that is free; its bar goes when it has ended."""
            if (needed := first[run.name]) in futures:
                wait([futures[needed]])
            folder, lane = out / "runs" / run.name, lanes.get()
            if not budget.has_time():
                budget.left_out.append(run.name)
                lanes.put(lane)
                _say(console, f"{run.name}: left out, no time")
                return
            started = time.monotonic()
            bar = bars.add_task(
                f"  {run.name}", total=run.until or run.recipe.stages[-1].training.steps, note="loading"
            )
            _say(console, f"{run.name}: started")

            def watch() -> None:
                step, note = progress_of(folder)
                bars.update(bar, completed=step, note=note)

            try:
                code = lane.train(run, folder, watch)
            except OSError as error:  # a full disk, which may have room again for the next run
                code, failed[run.name] = 2, str(error)
            lanes.put(lane)
            budget.took(time.monotonic() - started)
            bars.remove_task(bar)
            bars.advance(whole)
            if code != 0 and run.name not in failed:
                failed[run.name] = log_of(folder).read_text(encoding="utf-8", errors="replace")[-2_000:]
            _say(console, f"{run.name}: {'done' if code == 0 else f'failed with exit code {code}'}")

        pool = ThreadPoolExecutor(workers)
        futures: dict[str | None, Future[None]] = {}
        try:
            # Those that wait for others come last, so that what they wait for has begun.
            for run in sorted(waiting, key=lambda run: first[run.name] is not None):
                futures[run.name] = pool.submit(work, run)
            for future in as_completed(futures.values()):
                future.result()
        finally:  # after Ctrl-C too, which the workers have got as well: they save a checkpoint and end
            pool.shutdown(cancel_futures=True)
            while not lanes.empty():
                lanes.get().close()
    return failed


def _say(console: Console, text: str) -> None:
    """A line a change of state, where there is no terminal to draw bars on."""
    if not console.is_terminal:
        console.print(text, highlight=False)


def log_of(folder: Path) -> Path:
    """Where what a run says goes."""
    return folder.parent / f"{folder.name}.log"


def failures(failed: dict[str, str]) -> Sequence[str]:
    """One line a failed run: its name and the last line of its log."""
    return [f"{name}: {(text.strip().splitlines() or ['no output'])[-1]}" for name, text in failed.items()]
