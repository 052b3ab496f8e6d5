"""chrF: F-score over n-grams of characters (Popović 2015), by sacreBLEU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from xlgen.metrics.base import Example, Figure, Scores, plugins
from xlgen.registry import InputError


@plugins.register("chrf")
@dataclass(frozen=True)
class Chrf:
    """Sentence-level chrF in percent against the best reference, averaged over examples; needs the extra ``chrf``.

    sacreBLEU's ``sentence_score``. Its ``corpus_score`` pools the n-grams of all examples and is another figure.
    """

    char_order: int = 6
    word_order: int = 0
    """2 is chrF++ (Popović 2017)."""
    beta: int = 2
    """How much more recall counts than precision."""

    figures: ClassVar[tuple[Figure, ...]] = (Figure("chrf", best=100.0),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Scores in [0, 1]; NaN without references."""
        scorer = _sacrebleu().CHRF(char_order=self.char_order, word_order=self.word_order, beta=self.beta)
        scores = [
            scorer.sentence_score(each.prediction, each.references).score / 100 if each.references else np.nan
            for each in examples
        ]
        return {"chrf": np.array(scores, dtype=float)}

    def signature(self, language: str) -> str:
        """The orders of the n-grams, and sacreBLEU's version."""
        from importlib.metadata import version

        orders = f"nc:{self.char_order}|nw:{self.word_order}|beta:{self.beta}"
        _sacrebleu()
        return f"{orders}|level:sentence|sacrebleu:{version('sacrebleu')}"


def _sacrebleu() -> Any:
    try:
        from sacrebleu import metrics
    except ImportError as error:
        raise InputError("chrf needs sacrebleu: pip install 'xlgen[chrf]'") from error
    return metrics
