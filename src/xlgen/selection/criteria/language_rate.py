"""How many outputs are in the right language, of unlabelled inputs."""

from __future__ import annotations

from xlgen.results.rows import Results
from xlgen.results.runs import Run
from xlgen.selection.criteria import LANGUAGE_RATE, Criterion, Targets, criteria, over_targets


@criteria.register("language-rate")
class LanguageRate(Criterion):
    """The mean correct-language rate of the languages without labels."""

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """In percent."""
        return over_targets(results, run, LANGUAGE_RATE, step, targets)
