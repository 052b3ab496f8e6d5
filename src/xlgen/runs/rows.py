"""Figures as rows of one shape, and the averages over the languages without labels."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

from xlgen.runs.files import finite, write_atomically
from xlgen.runs.runs import Run, find_runs

log = logging.getLogger(__name__)

Row: TypeAlias = dict[str, Any]

MEAN = "mean-non-source"
"""What a row calls the average over the languages that are not a source language of its run."""


@dataclass(frozen=True)
class Results:
    """Runs with their rows, which can be asked for single figures."""

    runs: tuple[Run, ...]
    rows: tuple[Row, ...] = field(repr=False)
    faults: tuple[str, ...] = ()
    """Runs that are damaged and left out, and lines of logs: where, and what is wrong."""
    _index: dict[tuple[str, int, str, str], Row] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({(row["run"], row["step"], row["language"], row["metric"]): row for row in self.rows})

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The languages labelled in every run: runs are compared over the others, one with labels in all included."""
        return shared_sources(self.runs)

    def at(self, run: Run, language: str, metric: str, step: int | None = None) -> Row | None:
        """The row of one figure, at the run's last evaluation unless ``step`` says otherwise."""
        return self._index.get((run.name, run.last_step if step is None else step, language, metric))

    def value(self, run: Run, language: str, metric: str, step: int | None = None) -> float | None:
        """The value of one figure, None where there is none."""
        row = self.at(run, language, metric, step)
        return row["value"] if row else None

    def source_value(self, run: Run, metric: str) -> float | None:
        """The mean of a figure over the shared source languages at its last evaluation."""
        return mean(self.value(run, language, metric) for language in self.sources)

    def languages(self, runs: Iterable[Run] | None = None) -> list[str]:
        """The languages of ``runs``, source languages first, the others in the order of their evaluation."""
        runs = self.runs if runs is None else tuple(runs)
        seen = dict.fromkeys(figure["language"] for run in runs for figure in run.figures)
        return [*(code for code in self.sources if code in seen), *(code for code in seen if code not in self.sources)]

    def by_task(self) -> list[Results]:
        """The runs that have figures, task by task."""
        found: dict[str | None, list[Run]] = {}
        for run in self.runs:
            if run.figures:
                found.setdefault(run.task, []).append(run)
        names = [{run.name for run in runs} for runs in found.values()]
        return [
            Results(tuple(runs), tuple(row for row in self.rows if row["run"] in own))
            for runs, own in zip(found.values(), names, strict=True)
        ]


def load_results(path: Path, say: Callable[[str], None] = log.warning) -> Results:
    """Runs and rows of a run's or a study's folder; damaged runs of a study are left out, and ``say`` learns of them.

    Raises InputError where there is no figure.
    """
    faults: list[str] = []
    runs = find_runs(path, faults.append)
    for fault in faults:
        say(fault)
    return replace(of_runs(runs), faults=tuple(faults))


def of_runs(runs: Iterable[Run]) -> Results:
    """The rows of runs that were read."""
    runs = tuple(runs)
    sources = shared_sources(runs)
    return Results(runs, tuple(row for run in runs for row in _run_rows(run, sources)))


def shared_sources(runs: Iterable[Run]) -> tuple[str, ...]:
    """The languages that are source languages of every run."""
    first, *others = (run.source_languages for run in runs)
    return tuple(code for code in first if all(code in languages for languages in others))


def collect(path: Path) -> list[Row]:
    """Every figure in a run's or a study's folder, and the averages over the languages that are not source languages.

    A row holds ``backbone, method, learning_rate, seed, step, task, language, metric, value, low, high, n, signature``
    and ``run``, the name of the run's folder. An average has the language ``mean-non-source``, no interval, and in its
    signature the languages it is over.

    Raises:
        InputError: where the folder holds no run, or no figure yet.
    """
    return list(load_results(path).rows)


def write_summary(path: Path) -> Path:
    """Write ``summary.json``, ``{"rows": [...]}`` with the rows of :func:`collect`, into the folder ``path``."""
    return write_rows(collect(path), path / "summary.json")


def write_rows(rows: Iterable[Row], path: Path) -> Path:
    """Write ``rows`` in the shape all figures have."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return write_atomically(path, '{"rows": [\n' + lines + "\n]}\n")


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are defined, None where none is."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _run_rows(run: Run, sources: tuple[str, ...]) -> list[Row]:
    rows = [_row(run, figure) for figure in run.figures]
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        if row["language"] not in sources:
            groups.setdefault((row["step"], row["metric"]), []).append(row)
    return rows + [_mean_row(group) for group in groups.values()]


def _row(run: Run, figure: Mapping[str, Any]) -> Row:
    return {
        "run": run.name,
        "backbone": run.backbone,
        "method": run.method,
        "learning_rate": run.learning_rate,
        "seed": run.seed,
        "step": figure["step"],
        "task": run.task,
        "language": figure["language"],
        "metric": figure["metric"],
        **{key: finite(figure.get(key)) for key in ("value", "low", "high")},
        "n": figure.get("n"),
        "signature": figure.get("signature"),
    }


def _mean_row(group: list[Row]) -> Row:
    """The average of one figure over languages; ``n`` stays the number of examples behind it."""
    defined = [row for row in group if row["value"] is not None]
    counts = [row["n"] for row in defined if isinstance(row["n"], int)]
    return {
        **group[0],
        "language": MEAN,
        "value": mean(row["value"] for row in defined),
        # The languages share their examples, so their intervals cannot be combined into one.
        "low": None,
        "high": None,
        "n": sum(counts) if counts else None,
        "signature": "mean-of:" + ",".join(row["language"] for row in defined),
    }
