"""Run a study's runs on a Ray cluster: one task per run, retried on another node if its node is lost.

The study's folder must be on storage that every node sees under the same path, or at a URL that every node can open. A
run that started on a lost node resumes from its newest checkpoint. Its lock prevents two nodes from training it at
once.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from rich.console import Console

from xlgen.core.config import Recipe
from xlgen.core.extras import require
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.experiments.budget import Budget
from xlgen.experiments.execute import is_done, needs, resolve_run_paths
from xlgen.experiments.mirror import Mirror, is_url
from xlgen.experiments.plan import PlannedRun, Study
from xlgen.experiments.worker_pool import log_of

if TYPE_CHECKING:
    from ray import ObjectRef

_RETRIES = 3
"""How often a run is retried after its node or its process was lost."""
_POLL_SECONDS = 1.0
_ANSWER_SECONDS = 10.0


def executor(address: str, mirror: Mirror | None = None) -> Callable[..., dict[str, str]]:
    """A function that runs a study on the cluster at ``address``, with the signature of ``execute.execute``.

    With ``mirror``, nodes write to its URL, each through a local folder. Raises InputError if Ray is not installed or
    no cluster answers.
    """
    require("ray", "a study on a Ray cluster")
    import ray

    if not ray.is_initialized():
        try:
            _reach(address)
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError) as error:
            text = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InputError(f"no Ray cluster at {address}: {text}. Start one with `ray start --head`") from None

    def execute(
        study: Study, out: Path, workers: int, console: Console, budget: Budget | None = None
    ) -> dict[str, str]:
        """Run the missing runs of ``study``. ``workers`` has no effect: Ray decides how many run in parallel."""
        return _Cluster(ray, study, out.resolve(), console, budget or Budget(), mirror).run()

    return execute


def _reach(address: str) -> None:
    """Raise OSError if nothing answers at a host and port. Ray itself would retry for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_SECONDS).close()


class _Cluster:
    """The execution of a study's runs on a cluster."""

    def __init__(
        self, ray: ModuleType, study: Study, out: Path, console: Console, budget: Budget, mirror: Mirror | None
    ) -> None:
        self._ray, self._out, self._console, self._budget, self._mirror = ray, out, console, budget, mirror
        runs = [resolve_run_paths(run, out) for run in study.runs]
        self._waiting = [run for run in runs if not is_done(run, self._folder(run))]
        self._needs = {run.name: needs(run) for run in study.runs}
        self._going: dict[ObjectRef, tuple[PlannedRun, float]] = {}
        self._failed: dict[str, str] = {}

    def run(self) -> dict[str, str]:
        """Run until every run has ended, or there is no time to start the others."""
        while self._waiting or self._going:
            self._begin()
            if not self._going:
                break
            ready, _ = self._ray.wait(list(self._going), timeout=_POLL_SECONDS)
            for task in ready:
                self._end(task)
        return self._failed

    def _folder(self, run: PlannedRun) -> Path:
        return self._out / "runs" / run.name

    def _begin(self) -> None:
        """Start as many runs as the cluster has resources for. A run in Ray's queue could no longer be skipped."""
        for run in list(self._waiting):
            busy = {going.name for going, _ in self._going.values()}
            pending = busy | {other.name for other in self._waiting}
            if self._needs[run.name] in pending - {run.name} or not self._has_room(run.recipe):
                continue
            self._waiting.remove(run)
            if not self._budget.has_time():
                self._budget.left_out.append(run.name)
                self._say(f"{run.name}: skipped, no time left")
                continue
            self._going[self._submit(run)] = (run, time.monotonic())
            self._say(f"{run.name}: started")

    def _has_room(self, recipe: Recipe) -> bool:
        """Whether the cluster currently has resources for another run in addition to the active ones."""
        going = [run.recipe.resources for run, _ in self._going.values()]
        whole = self._ray.cluster_resources()
        wanted = recipe.resources
        cpus = sum(each.cpus for each in going) + wanted.cpus
        gpus = sum(each.gpus for each in going) + wanted.gpus
        fits = cpus <= whole.get("CPU", 0.0) and gpus <= whole.get("GPU", 0.0)
        return fits or not self._going  # submit at least one run; Ray keeps it until a node is available

    def _submit(self, run: PlannedRun) -> ObjectRef:
        recipe = run.recipe.model_dump(mode="json")
        place = self._mirror.url if self._mirror else str(self._out)
        resources = run.recipe.resources
        threads = str(max(1, int(resources.cpus)))
        environment = {"OMP_NUM_THREADS": threads, "TOKENIZERS_PARALLELISM": "false", "PYTHONSAFEPATH": "1"}
        remote = self._ray.remote(_train).options(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            memory=int(resources.memory_gib * 2**30) or None,
            max_retries=_RETRIES,
            name=run.name,
            runtime_env={"env_vars": environment},
        )
        return remote.remote(recipe, run.name, place, run.until)

    def _end(self, task: ObjectRef) -> None:
        run, started = self._going.pop(task)
        try:
            code, node = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            code, node = 1, "a node that was lost"
            with log_of(self._folder(run)).open("a", encoding="utf-8") as log:
                log.write(f"{type(error).__name__}: {str(error).splitlines()[0]}\n")
        if self._mirror:
            self._mirror.pull(checkpoints=False)
        self._budget.took(time.monotonic() - started)
        if code:
            self._failed[run.name] = log_of(self._folder(run)).read_text(encoding="utf-8", errors="replace")[-2_000:]
        self._say(f"{run.name}: {'done' if code == 0 else f'failed with exit code {code}'} on {node}")

    def _say(self, text: str) -> None:
        self._console.print(text, highlight=False)


def _train(recipe: JsonObject, name: str, place: str, until: int | None) -> tuple[int, str]:
    """Train on a node; return the exit code and the node's name. Each attempt adds a line to the log."""
    import ray

    node = str(ray.get_runtime_context().get_node_id())[:8]
    if not is_url(place):
        return _train_in(Path(place), recipe, name, until, node), node
    digest = hashlib.sha256(place.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / "xlgen-nodes" / digest / node / name
    with Mirror(place, folder, name).kept():
        return _train_in(folder, recipe, name, until, node), node


def _train_in(out: Path, recipe: JsonObject, name: str, until: int | None, node: str) -> int:
    from xlgen.experiments.worker import train_one

    folder = out / "runs" / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    with log_of(folder).open("a", encoding="utf-8") as log:
        log.write(json.dumps({"node": node, "process": os.getpid(), "at": round(time.time(), 1)}) + "\n")
        log.flush()
        with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
            return train_one(recipe, folder, until)
