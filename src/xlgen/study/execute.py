"""Run a study's runs in worker processes, side by side; finished ones are skipped, failed ones reported."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from xlgen.registry import InputError
from xlgen.study.plan import PlannedRun, Study

_POLL_SECONDS = 0.5
_RUNS = "{study}/runs/"


@dataclass
class _Worker:
    """A run in a process of its own."""

    run: PlannedRun
    folder: Path
    process: subprocess.Popen[bytes]

    def progress(self) -> tuple[int, str]:
        """(steps done, what it is doing)."""
        log = self.folder / "metrics.jsonl"
        if not log.exists():
            return 0, "loading"
        lines = log.read_text(encoding="utf-8").split("\n")[:-1]
        if not lines:
            return 0, "loading"
        try:
            event: dict[str, Any] = json.loads(lines[-1])
        except json.JSONDecodeError:  # it is being written at this moment
            event = json.loads(lines[-2]) if len(lines) > 1 else {"step": 0, "event": "start"}
        if event["event"] == "figure":
            return int(event["step"]), f"scored {event['language']}"
        return int(event["step"]), f"loss {event['loss']:.2f}" if "loss" in event else "training"


def placed(run: PlannedRun, out: Path) -> PlannedRun:
    """The run as it is in the study's folder ``out``: with a place for stages that others of the study share, where it
    has any and names none itself, and with ``{study}`` in a baseline's ``run`` standing for the folder."""
    changes: dict[str, Any] = {}
    if len(run.recipe.stages) > 1 and run.recipe.cache_dir is None:
        changes["cache_dir"] = str(out / "stages")
    if needed := needs(run):
        changes["baseline"] = {**(run.recipe.baseline or {}), "run": str(out / "runs" / needed)}
    return PlannedRun(run.name, run.recipe.model_copy(update=changes))


def needs(run: PlannedRun) -> str | None:
    """The run of the study that a baseline of it starts from."""
    path = str((run.recipe.baseline or {}).get("run", ""))
    return path.removeprefix(_RUNS) if path.startswith(_RUNS) else None


def is_done(run: PlannedRun, folder: Path) -> bool:
    """Whether ``run`` came to its end in ``folder``. Raises InputError where the folder holds another run."""
    state = folder / "state.json"
    if not state.exists() or json.loads(state.read_text(encoding="utf-8")).get("status") != "done":
        return False
    recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))["recipe"]
    if recipe != run.recipe.model_dump(mode="json"):
        raise InputError(f"{folder} holds a finished run of another recipe; choose another --out")
    return True


def execute(study: Study, out: Path, workers: int, console: Console) -> dict[str, str]:
    """Run what is missing of ``study`` into ``out``; return the failed runs with the ends of their logs."""
    runs = [placed(run, out) for run in study.runs]
    first = {run.name: needs(run) for run in study.runs}
    waiting = [run for run in runs if not is_done(run, out / "runs" / run.name)]
    workers = max(1, min(workers, len(waiting)))
    threads = max(1, (os.cpu_count() or 1) // workers)
    running: list[_Worker] = []
    failed: dict[str, str] = {}
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(),
        TextColumn("{task.fields[note]:<16}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        bar = {
            run.name: bars.add_task(run.name, total=run.recipe.stages[-1].training.steps, note="waiting", start=False)
            for run in waiting
        }
        while waiting or running:
            unfinished = {run.name for run in (*waiting, *(worker.run for worker in running))}
            ready = [run for run in waiting if first[run.name] not in unfinished]
            for run in ready[: workers - len(running)]:
                waiting.remove(run)
                running.append(_start(run, out / "runs" / run.name, threads))
                bars.start_task(bar[run.name])
                _say(console, f"{run.name}: started")
            time.sleep(_POLL_SECONDS)
            for worker in list(running):
                code = worker.process.poll()
                step, note = worker.progress()
                bars.update(bar[worker.run.name], completed=step, note=note if code is None else f"exit {code}")
                if code is None:
                    continue
                running.remove(worker)
                bars.stop_task(bar[worker.run.name])
                if code == 0:
                    bars.update(bar[worker.run.name], total=max(step, 1), completed=max(step, 1), note="done")
                else:
                    failed[worker.run.name] = _log(worker.folder)[-2_000:]
                _say(console, f"{worker.run.name}: {'done' if code == 0 else f'failed with exit code {code}'}")
    return failed


def _say(console: Console, text: str) -> None:
    """A line a change of state, where there is no terminal to draw bars on."""
    if not console.is_terminal:
        console.print(text, highlight=False)


def _start(run: PlannedRun, folder: Path, threads: int) -> _Worker:
    folder.parent.mkdir(parents=True, exist_ok=True)
    recipe = folder.parent / f"{run.name}.yaml"
    recipe.write_text(yaml.safe_dump(run.recipe.model_dump(mode="json"), allow_unicode=True), encoding="utf-8")
    command = [sys.executable, "-m", "xlgen", "train", str(recipe), "--out", str(folder), "--resume"]
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "TOKENIZERS_PARALLELISM": "false"}
    with (folder.parent / f"{run.name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)
    return _Worker(run, folder, process)


def _log(folder: Path) -> str:
    return (folder.parent / f"{folder.name}.log").read_text(encoding="utf-8", errors="replace")


def failures(failed: dict[str, str]) -> Sequence[str]:
    """One line a failed run: its name and the last line of its log."""
    return [f"{name}: {(text.strip().splitlines() or ['no output'])[-1]}" for name, text in failed.items()]
