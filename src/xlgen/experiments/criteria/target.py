"""Select by the task's metric in languages without training labels, which needs evaluation labels there."""

from __future__ import annotations

from xlgen.experiments.criteria import Criterion, CriterionOptions, Targets, criteria, over_targets
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run


class TargetOptions(CriterionOptions):
    """``{name: target, metric: rouge2}``."""

    metric: str | None = None
    """If None, the task's main metric."""


@criteria.register("target")
class Target(Criterion[TargetOptions]):
    """The mean of the task's metric over the languages without labels (Chirkova et al. 2023, Appendix A)."""

    Options = TargetOptions
    needs_target_labels = True

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """The mean in the metric's unit."""
        return over_targets(results, run, self.options.metric or run.main_metric, step, targets)
