"""nDCG of documents in separate rows, grouped by query: XGLUE's metric for web page ranking."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import ClassVar

import numpy as np

from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.ranking import queries_ndcg

# Query, gain and score of a document are packed into the 53 bits of a double: this many bits of a hash of the query,
# and this many for each grade. With 100,000 queries, the chance of a collision is 0.0006.
_HASH, _GRADE = 43, 5
LARGEST = 2**_GRADE - 2
"""The largest grade; XGLUE's are 0 to 4."""


def _of_queries(scores: Scores) -> Scores:
    """The nDCG of each query with two documents or more, in the order of the queries' hashes."""
    whole = (np.sort(scores) * 2.0 ** (_HASH + 2 * _GRADE)).astype(np.int64)
    grades = 2**_GRADE - 1
    return queries_ndcg(whole >> 2 * _GRADE, whole & grades, whole >> _GRADE & grades)


@metrics.register("xglue_ndcg")
@dataclass(frozen=True)
class WebPages:
    """nDCG of the documents of each query, averaged over queries, in percent: outputs and references are grades.

    This is the rule of XGLUE's evaluation (Liang et al. 2020). Each row is a document: the predicted grade is its
    score, the reference grade its gain. Documents with the same ``group`` belong to one query. Queries with one
    document, and rows without a group or without a grade as reference, do not count. An output that is not a grade
    ranks last.
    """

    figures: ClassVar[tuple[MetricSpec, ...]] = (MetricSpec("xglue_ndcg", units=_of_queries),)

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """Query, gain and score of each document, packed; NaN for a row that does not count."""
        return {"xglue_ndcg": np.array([_packed(example) for example in examples], dtype=float)}

    def signature(self, language: str) -> str:
        """The form of the gain, how ties are handled, and the source of scores."""
        return "gain:linear|ties:averaged|score:grade"


def _packed(example: Example) -> float:
    gain = _grade(example.references[0]) if example.references else None
    if gain is None or example.group is None:
        return np.nan
    digest = blake2b(example.group.encode(errors="replace"), digest_size=8).digest()
    query = int.from_bytes(digest) >> (64 - _HASH)
    score = _grade(example.prediction)
    rank = 0 if score is None else score + 1
    return ((query << 2 * _GRADE) + (gain << _GRADE) + rank) / 2.0 ** (_HASH + 2 * _GRADE)


def _grade(text: str) -> int | None:
    """``2`` and ``2.0`` as 2; None if ``text`` is not an integer from 0 to :data:`LARGEST`."""
    try:
        number = float(text)
    except ValueError:
        return None
    return int(number) if number in range(LARGEST + 1) else None
