"""Scoring of the prediction files of runs: rows ``{id, language, input, prediction, raw, references}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from xlgen.metrics.base import Example
from xlgen.metrics.lid import SMALL
from xlgen.metrics.options import MetricChoice
from xlgen.metrics.score import Row, score
from xlgen.metrics.subset import subset


def score_predictions(
    rows: Sequence[Mapping[str, Any]],
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
            group=row.get("group"),
        )
        for row in rows
    ]
    labelled = any(example.references for example in examples)
    chosen = subset(only, lid or SMALL) if only and labelled else None
    return score(examples, metrics, language, bootstrap=bootstrap, subset=chosen, identifier=lid)
