"""nDCG of documents ranked for a query (Järvelin and Kekäläinen 2002), as scikit-learn and XGLUE compute it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics


def ndcg(scores: ArrayLike, gains: ArrayLike) -> float:
    """``DCG / ideal DCG`` of one query's documents, in [0, 1]; 0 if no document has a gain.

    ``DCG = sum_i gain_i / log2(1 + i)`` over ranks ``i`` from 1. Documents with equal scores share the mean discount of
    their ranks (McSherry and Najork 2008). Equal to scikit-learn's ``ndcg_score([gains], [scores])``.

    Args:
        scores: (documents,), higher is better.
        gains: (documents,), at least 0.
    """
    given, wanted = np.asarray(scores, dtype=float), np.asarray(gains, dtype=float)
    discounts = 1 / np.log2(np.arange(len(given)) + 2)
    ideal = float(np.sort(wanted)[::-1] @ discounts)
    if ideal == 0:
        return 0.0
    _, group = np.unique(-given, return_inverse=True)  # group 0 has the highest score
    sizes = np.bincount(group)
    ends = np.cumsum(sizes)
    up_to = np.concatenate([[0.0], np.cumsum(discounts)])
    shared = (up_to[ends] - up_to[ends - sizes]) / sizes
    return float(wanted @ shared[group]) / ideal


def queries_ndcg(queries: ArrayLike, scores: ArrayLike, gains: ArrayLike) -> NDArray[np.float64]:
    """The nDCG of each query with two documents or more, in [0, 1] (XGLUE, Liang et al. 2020).

    Rows of one query must be consecutive; a query that occurs again later counts as another query.

    Args:
        queries: (documents,), the query of each document.
        scores: (documents,), higher is better.
        gains: (documents,), at least 0.
    """
    names, given, wanted = np.asarray(queries), np.asarray(scores, dtype=float), np.asarray(gains, dtype=float)
    ends = np.flatnonzero(names[1:] != names[:-1]) + 1
    parts = zip(np.split(given, ends), np.split(wanted, ends), strict=True)
    return np.array([ndcg(one, other) for one, other in parts if len(one) > 1], dtype=float)


@metrics.register("ndcg")
@dataclass(frozen=True)
class Ndcg:
    """nDCG of each query, in percent. An output is the scores of the query's documents, a reference their gains.

    Queries with one document have no value (XGLUE's rule). Scores that cannot be parsed, or a wrong number of them,
    give 0.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("ndcg"),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """A number in [0, 1]; NaN without a reference of two or more gains."""
        return {"ndcg": np.array([_of(example) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """The form of the gain, and how ties are handled."""
        return "gain:linear|ties:averaged"


def _of(example: Example) -> float:
    gains = _numbers(example.references[0]) if example.references else None
    if gains is None or len(gains) < 2 or (gains < 0).any():
        return np.nan
    text = example.prediction if example.raw_prediction is None else example.raw_prediction
    scores = _numbers(text)
    return ndcg(scores, gains) if scores is not None and len(scores) == len(gains) else 0.0


def _numbers(text: str) -> NDArray[np.float64] | None:
    """Finite numbers separated by spaces; None if ``text`` is anything else."""
    try:
        found = np.array([float(part) for part in text.split()])
    except ValueError:
        return None
    return found if np.isfinite(found).all() else None
