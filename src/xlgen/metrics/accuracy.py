"""Whether a classification's label, written as text, is the right one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from xlgen.metrics.base import Example, Figure, Scores, best_over_references, plugins

SENTINEL = re.compile(r"<extra_id_\d+>")


def bare(text: str) -> str:
    """``text`` without mT5's sentinels, with single spaces."""
    return " ".join(SENTINEL.sub(" ", text).split())


@plugins.register("accuracy")
@dataclass(frozen=True)
class Accuracy:
    """Share of outputs that are the label to the letter, in percent; case, spaces and sentinels do not count."""

    figures: ClassVar[tuple[Figure, ...]] = (Figure("accuracy", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0; NaN without a reference."""
        return best_over_references(
            examples, self.figures, lambda text, _: bare(text).casefold(), lambda text, label: (float(text == label),)
        )

    def signature(self, language: str) -> str:
        """How labels are compared."""
        return "norm:case,spaces,sentinels"
