"""Find the runs anywhere under a folder, and describe them without reading their logs or predictions."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from xlgen.core.registry import InputError
from xlgen.core.run_layout import RECIPE
from xlgen.core.untrusted import check_utf8
from xlgen.runs.recipes import Resolved, canonical, read_resolved
from xlgen.runs.records import read_state


@dataclass(frozen=True)
class RunSummary:
    """A run without its log: the columns of the view ``runs``, in their order. ``Run`` has the log, which is long."""

    study: str
    """The name of the folder that contains the run, or of its parent if that folder is called ``runs``."""
    run: str
    folder: str
    """Absolute path."""
    status: str
    backbone: str
    method: str
    learning_rate: float | None
    """None for a baseline, which does not train."""
    seed: int | None
    task: str | None
    source_languages: tuple[str, ...]
    """Canonical codes."""
    step: int | None
    """The step of the newest checkpoint or of the end of training."""
    planned_steps: int | None
    """None for a baseline."""
    recipe: str
    """The resolved recipe, as JSON."""
    environment: str
    """Versions, machine and git revision, as JSON."""


def discover_runs(path: Path, say: Callable[[str], None] = lambda text: None) -> list[RunSummary]:
    """The runs at ``path`` or anywhere under it, sorted by folder; ``say`` is called for each folder left out.

    A folder is a run if its ``recipe.yaml`` is a resolved recipe. Symbolic links to folders are not followed.

    Raises:
        InputError: if there is no run.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a folder; pass the folder of a run, of a study, or of several studies")
    runs: list[RunSummary] = []
    faults: list[str] = []
    for name, folders, files in os.walk(path):
        folders.sort()
        if RECIPE not in files:
            continue
        try:
            runs.append(_read(Path(name)))
            folders.clear()  # do not search inside a run's folder
        except InputError as error:
            faults.append(str(error))
    if not runs:
        reason = f"; {faults[0]}" if faults else ": no folder in it has a recipe.yaml"
        raise InputError(f"{path} has no run{reason}")
    for fault in faults:
        say(f"left out: {fault}")
    return runs


def _read(folder: Path) -> RunSummary:
    """The run in ``folder``. Raises InputError if its recipe.yaml is not a resolved recipe."""
    check_utf8(folder)
    return _described(folder, read_resolved(folder))


def _described(folder: Path, resolved: Resolved) -> RunSummary:
    place, recipe, stage = folder.resolve(), resolved.recipe, resolved.stage
    state = read_state(folder)
    training = {} if recipe.get("baseline") else stage.get("training") or {}
    rate = training.get("learning_rate")
    return RunSummary(
        study=place.parent.parent.name if place.parent.name == "runs" else place.parent.name,
        run=place.name,
        folder=str(place),
        status=state.status or "unknown",
        backbone=resolved.backbone,
        method=resolved.method,
        learning_rate=None if rate is None else float(rate),
        seed=recipe.get("seed"),
        task=Path(stage["task"]).stem if stage.get("task") else None,
        source_languages=tuple(map(canonical, stage.get("source_languages") or ())),
        step=state.step,
        planned_steps=training.get("steps"),
        recipe=json.dumps(recipe, ensure_ascii=False),
        environment=json.dumps(resolved.environment, ensure_ascii=False),
    )
