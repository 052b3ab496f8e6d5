"""Select by the source languages' metric, subject to outputs in the right language. Uses no target labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from xlgen.experiments.criteria import (
    LANGUAGE_RATE,
    Criterion,
    CriterionOptions,
    Targets,
    criteria,
    over_sources,
    over_targets,
)
from xlgen.experiments.criteria.xlrs import LowestXlrs
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run

_BELOW = 1_000
"""Larger than any score: evaluations below the threshold rank below all others."""


class LabelFreeOptions(CriterionOptions):
    """``{name: label-free, threshold: 95}``."""

    threshold: float = Field(default=95.0, ge=0, le=100)
    """The correct-language rate that the languages without labels need on average, in percent."""
    by: Literal["source", "xlrs"] = "source"
    """What decides among evaluations above the threshold: the source languages' metric, or the lowest XLRS."""
    metric: str | None = None
    """If None, the task's main metric."""


@criteria.register("label-free")
class LabelFree(Criterion[LabelFreeOptions]):
    """The source languages' metric if outputs are in the right language elsewhere; otherwise the language rate.

    Tasks with a head predict labels, which have no language. For their runs it is only the source languages' metric.
    """

    Options = LabelFreeOptions

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """The metric (or minus the XLRS), or the rate minus 1,000."""
        if any(figure["metric"] == LANGUAGE_RATE for figure in run.figures):
            rate = over_targets(results, run, LANGUAGE_RATE, step, targets)
            if rate < self.options.threshold:
                return rate - _BELOW
        if self.options.by == "xlrs":
            return LowestXlrs(CriterionOptions()).score(results, run, step, targets)
        return over_sources(results, run, self.options.metric or run.main_metric, step)
