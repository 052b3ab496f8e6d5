"""Run a study's runs in parallel worker processes. Finished runs are skipped, failed ones reported."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from queue import Queue

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xlgen.core.arguments import argument
from xlgen.core.config import Recipe, validate
from xlgen.core.interrupt import exit_on_signal
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.experiments.budget import Budget
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.time_left import TimeLeft
from xlgen.experiments.worker_pool import INTERRUPTED, Worker, WorkerPool, log_of, threads_by_run, threads_of
from xlgen.runs.files import finite
from xlgen.runs.folder import RunFolder, recipe_in
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import last_event
from xlgen.training.precision import decide_all, slow_precision, with_precisions_of

_RETRIES = 3
"""How often a run is resumed after its worker died, for example for lack of memory."""
_SAY_SECONDS = 30.0
_RUNS = "{study}/runs/"
_SCORED = "scored"
_COLUMNS = (
    TextColumn("{task.description:<28}", markup=False),
    BarColumn(),
    TextColumn("{task.fields[note]:<16}", markup=False),
    TimeElapsedColumn(),
)


def progress_of(folder: Path) -> tuple[int, str]:
    """The progress of the run in ``folder``: the number of steps done, and its current activity."""
    event = last_event(RunPaths(folder).log_file)
    if event is None:
        return 0, "loading"
    if event["event"] == "figure":
        return event["step"], f"{_SCORED} {event['language']}"
    loss = finite(event.get("loss"))
    return event["step"], "training" if loss is None else f"loss {loss:.2f}"


def resolve_run_paths(run: PlannedRun, out: Path) -> PlannedRun:
    """Fill in the paths of a run that depend on the study's folder ``out``.

    A run with several stages gets a cache folder for stages that the study's runs share, unless its recipe sets one.
    In a baseline's ``run``, ``{study}`` is replaced by ``out``.
    """
    changes: JsonObject = {}
    if len(run.recipe.stages) > 1 and run.recipe.cache_dir is None:
        changes["cache_dir"] = str(RunPaths(out).stages)
    if needed := needs(run):
        assert run.recipe.baseline is not None
        changes["baseline"] = run.recipe.baseline.model_copy(update={"run": str(out / "runs" / needed)})
    return replace(run, recipe=run.recipe.model_copy(update=changes))


def needs(run: PlannedRun) -> str | None:
    """The name of the study's run that a baseline starts from; None for other runs."""
    path = str(getattr(run.recipe.baseline, "run", ""))
    return path.removeprefix(_RUNS) if path.startswith(_RUNS) else None


def status(folder: Path) -> str | None:
    """The status of the run in ``folder``: running, evaluating, paused, interrupted, diverged or done; None if it never
    started."""
    return RunFolder(folder).state.status


def is_done(run: PlannedRun, folder: Path) -> bool:
    """Whether ``run`` has reached its last step in ``folder``. Raises InputError if that folder has another run."""
    state = RunFolder(folder).state
    last = state.stage == len(run.recipe.stages) - 1
    open_ended = state.status in ("diverged", "evaluating")
    reached = run.until is not None and last and (state.step or 0) >= run.until and not open_ended
    if state.status != "done" and not reached:
        return False
    file = RunPaths(folder).recipe_file
    try:  # validation fills in the defaults of keys that were added since
        before: Recipe = validate(Recipe, recipe_in(file), str(file))
    except InputError:
        raise InputError(
            f"{folder} has a finished run whose recipe.yaml is damaged; move the folder away to train the run again"
        ) from None
    if before.deciding() != with_precisions_of(run.recipe, before).deciding():
        raise InputError(f"{folder} has a finished run of another recipe; choose another {argument('out')}")
    return True


def default_workers(study: Study) -> int:
    """The default number of parallel runs: one per core, and without a search at most the number of runs."""
    cores = os.cpu_count() or 1
    return cores if study.search is not None else max(1, min(cores, len(study.runs)))


def execute(
    study: Study,
    out: Path,
    workers: int,
    console: Console,
    budget: Budget | None = None,
    pool: WorkerPool | None = None,
) -> dict[str, str]:
    """Run the missing runs of ``study`` into ``out``; return the failed runs with the ends of their logs.

    Runs for which ``budget`` has no time are skipped and listed in it. A run whose worker dies is resumed, at most
    three times. SIGTERM and SIGHUP raise SystemExit, once the workers have saved and ended. The workers
    of ``pool`` are used, and kept for later calls; without a pool they end.
    """
    with exit_on_signal(), nullcontext(pool) if pool else WorkerPool() as every:
        # The waves of a search leave out finished runs, so the threads of a run must not depend on the others.
        threads = threads_by_run(study.runs, workers, spread=pool is None)
        return _Execution(study, out, workers, console, budget or Budget(), every, threads).run()


class _Execution:
    """The execution of a study's runs on a fixed number of workers."""

    def __init__(
        self,
        study: Study,
        out: Path,
        workers: int,
        console: Console,
        budget: Budget,
        pool: WorkerPool,
        threads: Mapping[str, int],
    ) -> None:
        self._runs = _decided([resolve_run_paths(run, out) for run in study.runs], out)
        self._first = {run.name: needs(run) for run in study.runs}
        self._waiting = [run for run in self._runs if not is_done(run, out / "runs" / run.name)]
        self._out, self._console, self._budget = out, console, budget
        count = max(1, min(workers, len(self._waiting)))
        self._every = pool.take(count, threads_of(workers))
        self._threads = threads
        self._free: Queue[Worker] = Queue()
        for worker in self._every:
            self._free.put(worker)
        self._left = TimeLeft(
            {run.name: _steps(run) for run in self._waiting},
            evaluates=any(run.recipe.stages[-1].task for run in self._waiting),
        )
        self._said = time.monotonic()
        self._failed: dict[str, str] = {}
        self._futures: dict[str | None, Future[None]] = {}
        self._stopping = threading.Event()
        self._bars = Progress(*_COLUMNS, console=console, disable=not console.is_terminal)

    def run(self) -> dict[str, str]:
        """Run until every run has ended."""
        with self._bars as bars, ThreadPoolExecutor(len(self._every)) as pool:
            done = len(self._runs) - len(self._waiting)
            self._whole = bars.add_task(f"{len(self._runs)} runs", total=len(self._runs), completed=done, note="")
            for slow in sorted({text for run in self._waiting if (text := slow_precision(run.recipe))}):
                self._console.print(f"warning: {slow}", highlight=False)
            try:
                # Runs that need others come last, so that those have started.
                for run in sorted(self._waiting, key=lambda run: self._first[run.name] is not None):
                    self._futures[run.name] = pool.submit(self._work, run)
                for future in as_completed(self._futures.values()):
                    future.result()
            except BaseException:
                self._stopping.set()
                with suppress(OSError):  # the terminal may be closed
                    self._console.print("stopping: runs in training are saved first", highlight=False)
                for worker in self._every:
                    worker.stop()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
        return self._failed

    def _work(self, run: PlannedRun) -> None:
        """Train one run on a free worker."""
        if (needed := self._first[run.name]) in self._futures:
            wait([self._futures[needed]])
        worker = self._free.get()
        try:
            if self._stopping.is_set():
                return
            if not self._budget.has_time():
                self._budget.left_out.append(run.name)
                self._left.end(run.name)
                _say(self._console, f"{run.name}: skipped, no time left")
                return
            started = time.monotonic()
            _say(self._console, f"{run.name}: started")
            code = self._train(run, worker)
            self._budget.took(time.monotonic() - started)
            if not self._stopping.is_set():
                self._bars.advance(self._whole)
                self._left.end(run.name)
                left = f"; {self._left}" if str(self._left) else ""
                _say(self._console, f"{run.name}: {'done' if code == 0 else f'failed with exit code {code}'}{left}")
        finally:
            self._free.put(worker)

    def _say_left(self) -> None:
        """Print the progress from time to time if there is no terminal to show bars."""
        if not self._console.is_terminal and str(self._left) and time.monotonic() - self._said > _SAY_SECONDS:
            self._said = time.monotonic()
            _say(self._console, f"{self._left.share:.0%} of the steps are done; {self._left}")

    def _train(self, run: PlannedRun, worker: Worker) -> int:
        """Train on ``worker``, and retry if its process dies. Return the exit code, and record a failure."""
        folder = self._out / "runs" / run.name
        bar = self._bars.add_task(f"  {run.name}", total=_steps(run), note="loading")

        def watch() -> None:
            step, note = progress_of(folder)
            self._bars.update(bar, completed=step, note=note)
            self._left.update(run.name, step, evaluated=note.startswith(_SCORED))
            self._bars.update(self._whole, note=str(self._left))
            self._say_left()

        try:
            code = worker.train(run, folder, watch, self._threads[run.name])
            for _ in range(_RETRIES):
                if self._stopping.is_set() or not (code < 0 or code == INTERRUPTED):
                    break
                _say(self._console, f"{run.name}: its worker died ({_how(code)}); resuming")
                code = worker.train(run, folder, watch, self._threads[run.name])
        except OSError as error:  # for example a full disk, which may have space again for the next run
            code, self._failed[run.name] = 2, str(error)
        self._bars.remove_task(bar)
        if code < 0 or code == INTERRUPTED:
            self._failed[run.name] = f"its worker died {_RETRIES + 1} times ({_how(code)})"
        elif code != 0 and run.name not in self._failed:
            self._failed[run.name] = log_of(folder).read_text(encoding="utf-8", errors="replace")[-2_000:]
        return code


def _decided(runs: Sequence[PlannedRun], out: Path) -> list[PlannedRun]:
    """The runs with ``precision: auto`` resolved in the same way for all of them."""
    recipes = decide_all([run.recipe for run in runs], [out / "runs" / run.name for run in runs])
    return [replace(run, recipe=recipe) for run, recipe in zip(runs, recipes, strict=True)]


def _steps(run: PlannedRun) -> int:
    """The number of steps of a run; 1 for a run without training."""
    return 1 if run.recipe.baseline else run.until or run.recipe.stages[-1].training.steps


def _how(code: int) -> str:
    """Why a worker ended without an answer."""
    if code >= 0:
        return "it was stopped"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}, possibly out of memory" if name == "SIGKILL" else name


def _say(console: Console, text: str) -> None:
    """Print a change of state if there is no terminal to draw bars on."""
    if not console.is_terminal:
        console.print(text, highlight=False)


def failures(failed: dict[str, str]) -> Sequence[str]:
    """One line per failed run: its name and the last line of its log."""
    return [f"{name}: {(text.strip().splitlines() or ['no output'])[-1]}" for name, text in failed.items()]
