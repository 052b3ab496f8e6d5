"""Select by the encoder's similarity of translations (XLRS), where lower is better."""

from __future__ import annotations

from xlgen.experiments.criteria import Criterion, Targets, criteria, over_targets
from xlgen.runs.rows import Results
from xlgen.runs.runs import Run


@criteria.register("xlrs")
class LowestXlrs(Criterion):
    """The lowest mean XLRS over the languages without labels (cos-sim in Li and Murray 2023)."""

    def score(self, results: Results, run: Run, step: int, targets: Targets = None) -> float:
        """Minus the mean cosine."""
        found = over_targets(results, run, "xlrs", step, targets)
        return -found if abs(found) <= 1 else found
