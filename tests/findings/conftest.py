"""Runs of shipped studies, trained when a finding asks for them and shared by all findings of a session.

With ``XLGEN_FINDINGS=runs`` they are those of the folders ``runs/STUDY``, and what is missing there is trained.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from xlgen.experiments.execute import is_done, resolve_run_paths
from xlgen.experiments.plan import Study, load_study
from xlgen.runs.rows import collect
from xlgen.training.run import train

OTHERS = ("fr", "es", "de", "vi", "tr", "ru", "hi", "th", "zh")
"""The languages that no zero-shot run has labels for."""

Trained = Callable[[str, str], Path]


@dataclass(frozen=True)
class Outcome:
    """What a method reached on summaries, the mean over seeds: ROUGE-L and correct-language rate."""

    english: float
    others: float
    language: float


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Trained:
    """The folder of a study's run, by their names; processes that test side by side share what is trained."""
    own = tmp_path_factory.getbasetemp()
    own = own if worker_id == "master" else own.parent
    folder = Path(os.environ.get("XLGEN_FINDINGS", own)).resolve()
    torch.set_num_threads(1)

    def of(study: str, name: str) -> Path:
        root = folder / study
        (root / "runs").mkdir(parents=True, exist_ok=True)
        run = next(resolve_run_paths(run, root) for run in plan(study).runs if run.name == name)
        found = root / "runs" / name
        with FileLock(root / f"{name}.lock"):
            if not is_done(run, found):
                train(run.recipe, found)
        return found

    return of


@cache
def plan(study: str) -> Study:
    """A shipped study."""
    return load_study(study)


@pytest.fixture(scope="session")
def outcome(trained: Trained) -> Callable[[str], Outcome]:
    """The outcome of a method of pocket-methods."""

    def figures(name: str) -> dict[tuple[str, str], float]:
        return {(row["language"], row["metric"]): row["value"] for row in collect(trained("pocket-methods", name))}

    def of(method: str) -> Outcome:
        names = [run.name for run in plan("pocket-methods").runs]
        seeds = [figures(name) for name in names if name.startswith(f"{method}-summaries-seed=")]

        def mean(metric: str, *languages: str) -> float:
            return statistics.fmean(found[code, metric] for found in seeds for code in languages)

        return Outcome(mean("rougeL", "en"), mean("rougeL", *OTHERS), mean("correct_language_rate", *OTHERS))

    return of
