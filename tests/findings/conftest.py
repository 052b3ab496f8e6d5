"""Runs of the study pocket-rates, trained when a finding asks for them and shared by all findings of a session.

Each finding compares runs of one seed on the validation split, as ``xlgen study pocket-rates`` makes them; the same
methods with three seeds on the test split are in docs/methods.md.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from filelock import FileLock

from xlgen.report.rows import collect
from xlgen.study.execute import is_done, placed
from xlgen.study.plan import load_study
from xlgen.training.run import train

OTHERS = ("fr", "es", "de", "vi", "tr", "ru", "hi", "th", "zh")
"""The languages that no zero-shot run has labels for."""


@dataclass(frozen=True)
class Outcome:
    """What a run reached: the task's metric, and the correct-language rate, in English and on average elsewhere."""

    english: float
    others: float
    language: float


@pytest.fixture(scope="session")
def outcome(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Callable[[str], Outcome]:
    """The outcome of a run of pocket-rates by its name; processes that test side by side share what is trained."""
    root = tmp_path_factory.getbasetemp()
    root = (root if worker_id == "master" else root.parent) / "pocket-rates"
    study = {run.name: run for run in load_study("pocket-rates").runs}
    torch.set_num_threads(1)

    def of(name: str) -> Outcome:
        run, folder = placed(study[name], root), root / "runs" / name
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{name}.lock"):
            if not is_done(run, folder):
                train(run.recipe, folder)
        figures = {(row["language"], row["metric"]): row["value"] for row in collect(folder)}
        metric = "rougeL" if ("en", "rougeL") in figures else "squad_f1"
        return Outcome(
            figures["en", metric],
            statistics.fmean(figures[code, metric] for code in OTHERS),
            statistics.fmean(figures[code, "correct_language_rate"] for code in OTHERS),
        )

    return of
