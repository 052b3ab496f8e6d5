"""Runs of the study pocket-methods, trained when a finding asks for them and shared by all findings of a session.

With ``XLGEN_FINDINGS=runs/pocket-methods`` they are those of a study's folder, and what is missing there is trained.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from xlgen.results.rows import collect
from xlgen.study.execute import is_done, placed
from xlgen.study.plan import PlannedRun, load_study
from xlgen.training.run import train

OTHERS = ("fr", "es", "de", "vi", "tr", "ru", "hi", "th", "zh")
"""The languages that no zero-shot run has labels for."""


@dataclass(frozen=True)
class Outcome:
    """What a method reached on summaries, the mean over seeds: ROUGE-L and correct-language rate."""

    english: float
    others: float
    language: float


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Outcome]:
    """The outcome of a method of pocket-methods; processes that test side by side share what is trained."""
    own = tmp_path_factory.getbasetemp()
    own = (own if worker_id == "master" else own.parent) / "pocket-methods"
    root = Path(os.environ.get("XLGEN_FINDINGS", own)).resolve()
    (root / "runs").mkdir(parents=True, exist_ok=True)
    study = [placed(run, root) for run in load_study("pocket-methods").runs]
    torch.set_num_threads(1)

    def figures(run: PlannedRun) -> dict[tuple[str, str], float]:
        folder = root / "runs" / run.name
        with FileLock(root / f"{run.name}.lock"):
            if not is_done(run, folder):
                train(run.recipe, folder)
        return {(row["language"], row["metric"]): row["value"] for row in collect(folder)}

    def of(method: str) -> Outcome:
        seeds = [figures(run) for run in study if run.name.startswith(f"{method}-summaries-seed=")]

        def mean(metric: str, *languages: str) -> float:
            return statistics.fmean(found[code, metric] for found in seeds for code in languages)

        return Outcome(mean("rougeL", "en"), mean("rougeL", *OTHERS), mean("correct_language_rate", *OTHERS))

    return of
