"""Selecting from the rows of an analysis, and the names in its tables and figures."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import numpy as np

from xlgen.core.json_types import JsonMapping, JsonValue
from xlgen.runs.runs import short_backbone

AnalysisRow: TypeAlias = JsonMapping
AnalysisRows: TypeAlias = Sequence[AnalysisRow]


def where(rows: AnalysisRows, **wanted: JsonValue) -> list[AnalysisRow]:
    """The rows whose fields have the given values."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def unique(rows: Iterable[AnalysisRow], key: str) -> list[JsonValue]:
    """The different values of a field, in the order in which they appear."""
    return list(dict.fromkeys(row[key] for row in rows))


def by_model(rows: AnalysisRows) -> list[list[AnalysisRow]]:
    """The rows of each model."""
    return [where(rows, model=model) for model in unique(rows, "model")]


def short_name(model: str, models: Sequence[str]) -> str:
    """The last part of a model's name, or the full name if two of ``models`` share the last part."""
    ends = [short_backbone(each) for each in models]
    return short_backbone(model) if len(set(ends)) == len(ends) else model


def numbered(models: Sequence[str]) -> str:
    """The names of the models for a title, numbered if there are several."""
    return ", ".join(f"{number} {name}" if len(models) > 1 else name for number, name in enumerate(models, start=1))


def layer_name(layer: int, words: bool = False) -> str:
    """The name of a layer; layer 0 is the embeddings."""
    return ("embeddings" if words else "0") if layer == 0 else (f"layer {layer}" if words else str(layer))


def two_digits(value: float) -> str:
    """A number with two digits after the point, or a dash for NaN."""
    return "–" if np.isnan(value) else f"{value:.2f}"
