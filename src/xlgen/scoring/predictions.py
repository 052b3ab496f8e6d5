"""Scoring of the prediction files of runs: rows ``{id, language, input, prediction, raw, references}``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from xlgen.metrics.base import Example
from xlgen.metrics.lid import SMALL
from xlgen.metrics.options import MetricChoice
from xlgen.metrics.score import Row, score
from xlgen.metrics.subset import subset


class PredictionRow(TypedDict, total=False):
    """A line of a file of predictions. Only ``prediction`` is in every line."""

    id: str | int
    language: str
    input: str | None
    """Words of tagging tasks are joined by spaces."""
    group: str | int | None
    """The ranking group, such as a query."""
    cropped_tokens: int
    """Number of input tokens beyond the length limit."""
    unknown_tokens: int
    empty_input: bool
    prediction: str
    raw: str | None
    """The output before it was cleaned."""
    references: list[str]
    similarity: float | None
    """Cosine of the encoder states and those of the same input in the source language."""


def score_predictions(
    rows: Sequence[PredictionRow],
    metrics: Sequence[MetricChoice],
    language: str,
    bootstrap: int = 0,
    only: str | None = None,
    lid: str | None = None,
) -> list[Row]:
    """Score the rows of one language.

    ``only`` is the name of a subset chosen by references (see ``xlgen.metrics.subset``); without references, all rows
    count. ``lid`` is the language identifier of the subset and of metrics given by name.
    """
    examples = [
        Example(
            language,
            row["prediction"],
            tuple(row["references"]),
            row.get("input"),
            row.get("raw"),
            similarity=row.get("similarity"),
            group=None if row.get("group") is None else str(row["group"]),
        )
        for row in rows
    ]
    labelled = any(example.references for example in examples)
    chosen = subset(only, lid or SMALL) if only and labelled else None
    return score(examples, metrics, language, bootstrap=bootstrap, subset=chosen, identifier=lid)
