"""Select by the task's metric in the source languages, without regard to other languages."""

from __future__ import annotations

from xlgen.experiments.criteria import Criterion, Targets, criteria, over_sources
from xlgen.experiments.criteria.target import TargetOptions
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run


@criteria.register("source")
class Source(Criterion[TargetOptions]):
    """The mean of the task's metric over the source languages (en-dev in Li and Murray 2023)."""

    Options = TargetOptions

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """The mean in the metric's unit."""
        return over_sources(results, run, self.options.metric or run.main_metric, step)
