"""Run a study's runs in worker processes, side by side; finished ones are skipped, failed ones reported."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from queue import Queue
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xlgen.core.config import Recipe, validate
from xlgen.core.interrupt import exit_on_signal
from xlgen.core.registry import InputError
from xlgen.experiments.budget import Budget
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.time_left import TimeLeft
from xlgen.experiments.worker_pool import INTERRUPTED, Worker, log_of, threads_of
from xlgen.runs.files import finite
from xlgen.runs.folder import RunFolder, recipe_in
from xlgen.runs.records import last_event
from xlgen.training.precision import decide_all, decided_as, slow_precision

_RETRIES = 3
"""How often a run is resumed after its worker was lost, as to a lack of memory."""
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
    """How far the run in ``folder`` has come: (steps done, what it is doing)."""
    event = last_event(folder / "metrics.jsonl")
    if event is None:
        return 0, "loading"
    if event["event"] == "figure":
        return event["step"], f"{_SCORED} {event['language']}"
    loss = finite(event.get("loss"))
    return event["step"], "training" if loss is None else f"loss {loss:.2f}"


def resolve_run_paths(run: PlannedRun, out: Path) -> PlannedRun:
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
    open_ended = state.status in ("diverged", "evaluating")
    reached = run.until is not None and last and (state.step or 0) >= run.until and not open_ended
    if state.status != "done" and not reached:
        return False
    file = folder / "recipe.yaml"
    try:  # validated, so that a key that is younger than the run has its default there
        before: Recipe = validate(Recipe, recipe_in(file), str(file))
    except InputError:
        raise InputError(
            f"{folder} holds a finished run whose recipe.yaml is damaged; move the folder away, and it is made again"
        ) from None
    if before.deciding() != decided_as(run.recipe, before).deciding():
        raise InputError(f"{folder} holds a finished run of another recipe; choose another --out")
    return True


def lanes_for(study: Study) -> int:
    """Runs side by side where nobody says how many: one a core, and no more than a study without a search has."""
    cores = os.cpu_count() or 1
    return cores if study.search is not None else max(1, min(cores, len(study.runs)))


def execute(study: Study, out: Path, workers: int, console: Console, budget: Budget | None = None) -> dict[str, str]:
    """Run what is missing of ``study`` into ``out``; return the failed runs with the ends of their logs.

    Runs that ``budget`` has no time for are left out, and named in it. A run whose worker is lost is resumed, three
    times at most. SIGTERM and SIGHUP raise SystemExit, once the workers have saved and ended.
    """
    with exit_on_signal():
        return _Execution(study, out, workers, console, budget or Budget()).run()


class _Execution:
    """The runs of one study on their way through the lanes."""

    def __init__(self, study: Study, out: Path, workers: int, console: Console, budget: Budget) -> None:
        self._runs = _decided([resolve_run_paths(run, out) for run in study.runs], out)
        self._first = {run.name: needs(run) for run in study.runs}
        self._waiting = [run for run in self._runs if not is_done(run, out / "runs" / run.name)]
        self._out, self._console, self._budget = out, console, budget
        count = max(1, min(workers, len(self._waiting)))
        self._every = [Worker(threads_of(workers)) for _ in range(count)]
        self._free: Queue[Worker] = Queue()
        for lane in self._every:
            self._free.put(lane)
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
        """Until every run has ended; in the end no worker is left."""
        with self._bars as bars, ThreadPoolExecutor(len(self._every)) as pool:
            done = len(self._runs) - len(self._waiting)
            self._whole = bars.add_task(f"{len(self._runs)} runs", total=len(self._runs), completed=done, note="")
            for slow in sorted({text for run in self._waiting if (text := slow_precision(run.recipe))}):
                self._console.print(f"warning: {slow}", highlight=False)
            try:
                # Those that wait for others come last, so that what they wait for has begun.
                for run in sorted(self._waiting, key=lambda run: self._first[run.name] is not None):
                    self._futures[run.name] = pool.submit(self._work, run)
                for future in as_completed(self._futures.values()):
                    future.result()
            except BaseException:
                self._stopping.set()
                with suppress(OSError):  # the terminal may be closed
                    self._console.print("stopping: what is in training is saved first", highlight=False)
                for lane in self._every:
                    lane.stop()
                raise
            finally:
                pool.shutdown(cancel_futures=True)
                for lane in self._every:
                    lane.close()
        return self._failed

    def _work(self, run: PlannedRun) -> None:
        """One run, on a lane that is free; its bar goes when it has ended."""
        if (needed := self._first[run.name]) in self._futures:
            wait([self._futures[needed]])
        lane = self._free.get()
        try:
            if self._stopping.is_set():
                return
            if not self._budget.has_time():
                self._budget.left_out.append(run.name)
                self._left.end(run.name)
                _say(self._console, f"{run.name}: left out, no time")
                return
            started = time.monotonic()
            _say(self._console, f"{run.name}: started")
            code = self._train(run, lane)
            self._budget.took(time.monotonic() - started)
            if not self._stopping.is_set():
                self._bars.advance(self._whole)
                self._left.end(run.name)
                left = f"; {self._left}" if str(self._left) else ""
                _say(self._console, f"{run.name}: {'done' if code == 0 else f'failed with exit code {code}'}{left}")
        finally:
            self._free.put(lane)

    def _say_left(self) -> None:
        """Now and then, where there is no terminal that shows it."""
        if not self._console.is_terminal and str(self._left) and time.monotonic() - self._said > _SAY_SECONDS:
            self._said = time.monotonic()
            _say(self._console, f"{self._left.share:.0%} of the steps are done; {self._left}")

    def _train(self, run: PlannedRun, lane: Worker) -> int:
        """Train on ``lane``, again where its worker is lost; returns the exit code, and notes a failure."""
        folder = self._out / "runs" / run.name
        bar = self._bars.add_task(f"  {run.name}", total=_steps(run), note="loading")

        def watch() -> None:
            step, note = progress_of(folder)
            self._bars.update(bar, completed=step, note=note)
            self._left.update(run.name, step, evaluated=note.startswith(_SCORED))
            self._bars.update(self._whole, note=str(self._left))
            self._say_left()

        try:
            code = lane.train(run, folder, watch)
            for _ in range(_RETRIES):
                if self._stopping.is_set() or not (code < 0 or code == INTERRUPTED):
                    break
                _say(self._console, f"{run.name}: its worker was lost ({_how(code)}); resuming")
                code = lane.train(run, folder, watch)
        except OSError as error:  # a full disk, which may have room again for the next run
            code, self._failed[run.name] = 2, str(error)
        self._bars.remove_task(bar)
        if code < 0 or code == INTERRUPTED:
            self._failed[run.name] = f"its worker was lost {_RETRIES + 1} times ({_how(code)})"
        elif code != 0 and run.name not in self._failed:
            self._failed[run.name] = log_of(folder).read_text(encoding="utf-8", errors="replace")[-2_000:]
        return code


def _decided(runs: Sequence[PlannedRun], out: Path) -> list[PlannedRun]:
    """The runs with ``precision: auto`` decided for all of them."""
    recipes = decide_all([run.recipe for run in runs], [out / "runs" / run.name for run in runs])
    return [replace(run, recipe=recipe) for run, recipe in zip(runs, recipes, strict=True)]


def _steps(run: PlannedRun) -> int:
    """How many steps a run has, 1 for one that trains nothing."""
    return 1 if run.recipe.baseline else run.until or run.recipe.stages[-1].training.steps


def _how(code: int) -> str:
    """How a worker ended that gave no answer."""
    if code >= 0:
        return "it was asked to stop"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


def _say(console: Console, text: str) -> None:
    """A line a change of state, where there is no terminal to draw bars on."""
    if not console.is_terminal:
        console.print(text, highlight=False)


def failures(failed: dict[str, str]) -> Sequence[str]:
    """One line a failed run: its name and the last line of its log."""
    return [f"{name}: {(text.strip().splitlines() or ['no output'])[-1]}" for name, text in failed.items()]
