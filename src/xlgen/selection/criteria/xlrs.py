"""The encoder's similarity of translations, where less is better."""

from __future__ import annotations

from xlgen.results.rows import Results
from xlgen.results.runs import Run
from xlgen.selection.criteria import Criterion, criteria, over_targets


@criteria.register("xlrs")
class LowestXlrs(Criterion):
    """The lowest XLRS over the languages without labels (L's cos-sim)."""

    def score(self, results: Results, run: Run, step: int) -> float:
        """Less the mean cosine."""
        found = over_targets(results, run, "xlrs", step)
        return -found if abs(found) <= 1 else found
