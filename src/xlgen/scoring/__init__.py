"""Scoring of any system's outputs from rows of text, without torch and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import cast, get_args

from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonObject
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import parse_yaml
from xlgen.metrics.lid import SMALL, load_identifier
from xlgen.metrics.options import MetricChoice, MetricOptions
from xlgen.metrics.subset import subset as subset_called
from xlgen.scoring.entries import FIELDS, Entry
from xlgen.scoring.figures import FigureRow, figure_rows
from xlgen.scoring.files import Kind, Record, check_separator
from xlgen.scoring.stream import BadRows, Collected, collect, entries

TAKEN = ("file", "metric", "value", "first", "second", "difference", "low", "high", "p", "n", "signature")
"""Reserved keys of result rows, which cannot be names of fields to group by."""

__all__ = ["BadRows", "Collected", "FigureRow", "check_separator", "figure_rows", "score_records"]


def score_records(
    records: Iterable[Record],
    source: str,
    bad: BadRows,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    renamed: Mapping[str, str] | None = None,
    metrics: Sequence[MetricChoice] | None = None,
    subset: str | None = None,
    keep_ids: bool = False,
    seen: Callable[[list[Entry]], None] = lambda chunk: None,
    lid: str | None = None,
    options: MetricOptions | None = None,
) -> Collected:
    """Score all good records, and report the others to ``bad``.

    ``options`` are the options of metrics, by the name of a metric or of one of its values; they also apply to the
    default metrics.

    Raises:
        InputError: if no record is good, or none is in the subset.
    """
    for name in by:
        if not name or name in TAKEN:
            raise InputError(f"cannot group by {name!r}: give names of fields other than {', '.join(TAKEN)}")
    good = 0

    def counted() -> Iterable[Entry]:
        nonlocal good
        for entry in entries(records, bad, by, language, renamed):
            good += 1
            yield entry

    if lid is not None:
        load_identifier(lid)  # fails before any row is read
    chosen = subset_called(subset, lid or SMALL) if subset else None
    collected = collect(counted(), by, metrics, chosen, keep_ids, seen, lid, options or {})
    if not good:
        first = f"; the first: {bad.first[0]}" if bad.first else ""
        raise InputError(f"{source} has no row that can be scored, and {bad.count} that cannot{first}")
    if not len(collected.group):
        raise InputError(f"none of the {good} rows of {source} is in the subset {subset}")
    return collected


def check_fields(fields: Mapping[str, str]) -> Mapping[str, str]:
    """Check the names of fields in files, by the names that xlgen gives them. Raises InputError."""
    for name, theirs in fields.items():
        if name not in FIELDS or not theirs:
            raise InputError(
                f"{f'{name}={theirs}'!r} must be FIELD=NAME, with FIELD one of {', '.join(FIELDS)}: prediction=output"
            )
    return fields


def parse_fields(pairs: Sequence[str]) -> dict[str, str]:
    """Parse field names given as ``prediction=output``."""
    return {name: theirs for name, _, theirs in (pair.partition("=") for pair in pairs)}


def check_kind(kind: str | None) -> Kind | None:
    """Check the name of a file format. Raises InputError."""
    if kind not in (None, *get_args(Kind)):
        raise InputError(f"{argument('input_format')} must be one of {', '.join(get_args(Kind))}, not {kind!r}")
    return cast(Kind | None, kind)


def parse_options(assignments: Sequence[str]) -> dict[str, JsonObject]:
    """Parse metric options given as ``rouge.use_stemmer=true``; values are YAML. Raises InputError."""
    found: dict[str, JsonObject] = {}
    for text in assignments:
        path, equals, value = text.partition("=")
        name, dot, option = path.partition(".")
        if not (name and dot and option and equals):
            raise InputError(f"{text!r} must be METRIC.OPTION=VALUE: rouge.use_stemmer=true")
        found.setdefault(name, {})[option] = parse_yaml(value, f"the value of {path}")
    return found
