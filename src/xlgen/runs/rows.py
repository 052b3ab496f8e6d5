"""Metric values as rows of one shape, and their averages over the languages without labels."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TypedDict

from xlgen.runs.files import finite, write_atomically
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import FigureEvent
from xlgen.runs.runs import Run, find_runs

log = logging.getLogger(__name__)


class Row(TypedDict):
    """A value of a metric in one language at one step of a run, or the average over languages."""

    run: str
    """The name of the run's folder."""
    backbone: str
    method: str
    learning_rate: float | None
    seed: int | None
    step: int
    task: str | None
    language: str
    metric: str
    value: float | None
    low: float | None
    """The lower end of the 95 % interval."""
    high: float | None
    n: int | None
    """The number of examples."""
    signature: str | None


MEAN = "mean-non-source"
"""The ``language`` of rows that average over the languages without labels."""


@dataclass(frozen=True)
class Results:
    """Runs with their rows, and look-up of single values."""

    runs: tuple[Run, ...]
    rows: tuple[Row, ...] = field(repr=False)
    faults: tuple[str, ...] = ()
    """Messages about damaged runs and log lines that were left out."""
    _index: dict[tuple[str, int, str, str], Row] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._index.update({(row["run"], row["step"], row["language"], row["metric"]): row for row in self.rows})

    @cached_property
    def sources(self) -> tuple[str, ...]:
        """The source languages of every run. Runs are compared over all other languages, even a supervised one."""
        return shared_sources(self.runs)

    def at(self, run: Run, language: str, metric: str, step: int | None = None) -> Row | None:
        """The row of one metric and language, at ``step`` or, if None, at the run's last evaluation."""
        return self._index.get((run.name, run.last_step if step is None else step, language, metric))

    def value(self, run: Run, language: str, metric: str, step: int | None = None) -> float | None:
        """The value of one metric and language; None if there is none."""
        row = self.at(run, language, metric, step)
        return row["value"] if row else None

    def source_value(self, run: Run, metric: str) -> float | None:
        """The mean of a metric over the shared source languages at the run's last evaluation."""
        return mean(self.value(run, language, metric) for language in self.sources)

    def languages(self, runs: Iterable[Run] | None = None) -> list[str]:
        """The languages of ``runs``, source languages first, the others in the order of their evaluation."""
        runs = self.runs if runs is None else tuple(runs)
        seen = dict.fromkeys(figure["language"] for run in runs for figure in run.figures)
        return [*(code for code in self.sources if code in seen), *(code for code in seen if code not in self.sources)]

    def by_task(self) -> list[Results]:
        """The runs that have been evaluated, grouped by task."""
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
    """Load the runs and rows of a run's or a study's folder.

    Damaged runs of a study are left out and passed to ``say``. Raises InputError if no run has been evaluated.
    """
    faults: list[str] = []
    runs = find_runs(path, faults.append)
    for fault in faults:
        say(fault)
    return replace(of_runs(runs), faults=tuple(faults))


def of_runs(runs: Iterable[Run]) -> Results:
    """The results of runs that are already loaded."""
    runs = tuple(runs)
    sources = shared_sources(runs)
    return Results(runs, tuple(row for run in runs for row in _run_rows(run, sources)))


def shared_sources(runs: Iterable[Run]) -> tuple[str, ...]:
    """The languages that are source languages of every run."""
    first, *others = (run.source_languages for run in runs)
    return tuple(code for code in first if all(code in languages for languages in others))


def collect(path: Path) -> list[Row]:
    """Every value in a run's or a study's folder, and the averages over the languages that are not source languages.

    A row has ``backbone, method, learning_rate, seed, step, task, language, metric, value, low, high, n, signature``
    and ``run``, the name of the run's folder. An average has the language ``mean-non-source``, no interval, and a
    signature that lists its languages.

    Raises:
        InputError: if the folder has no run, or no run has been evaluated.
    """
    return list(load_results(path).rows)


def write_summary(path: Path) -> Path:
    """Write ``summary.json``, ``{"rows": [...]}`` with the rows of :func:`collect`, into the folder ``path``."""
    return write_rows(collect(path), RunPaths(path).summary_file)


def write_rows(rows: Iterable[Mapping[str, object]], path: Path) -> Path:
    """Write ``rows`` as JSON, ``{"rows": [...]}``."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, allow_nan=False) for row in rows)
    return write_atomically(path, '{"rows": [\n' + lines + "\n]}\n")


def mean(values: Iterable[float | None]) -> float | None:
    """The mean of the values that are not None; None if there are none."""
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined else None


def _run_rows(run: Run, sources: tuple[str, ...]) -> list[Row]:
    rows = [_row(run, figure) for figure in run.figures]
    groups: dict[tuple[int, str], list[Row]] = {}
    for row in rows:
        if row["language"] not in sources:
            groups.setdefault((row["step"], row["metric"]), []).append(row)
    return rows + [_mean_row(group) for group in groups.values()]


def _row(run: Run, figure: FigureEvent) -> Row:
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
        "value": finite(figure.get("value")),
        "low": finite(figure.get("low")),
        "high": finite(figure.get("high")),
        "n": figure.get("n"),
        "signature": figure.get("signature"),
    }


def _mean_row(group: list[Row]) -> Row:
    """The average of one metric over languages; ``n`` is the total number of examples."""
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
