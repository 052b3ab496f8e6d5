"""Select by the share of outputs in the right language, which needs only unlabelled inputs."""

from __future__ import annotations

from xlgen.experiments.criteria import LANGUAGE_RATE, Criterion, Targets, criteria, over_targets
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run


@criteria.register("language-rate")
class ByLanguageRate(Criterion):
    """The mean correct-language rate of the languages without labels."""

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """The rate in percent."""
        return over_targets(results, run, LANGUAGE_RATE, step, targets)
