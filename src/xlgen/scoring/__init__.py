"""Scoring of any system's outputs from rows of text, without torch and in bounded memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.core.yaml_config import parse_yaml
from xlgen.metrics.lid import SMALL, load_identifier
from xlgen.metrics.options import MetricChoice, MetricOptions
from xlgen.metrics.subset import subset as subset_called
from xlgen.scoring.entries import FIELDS, Entry
from xlgen.scoring.figures import FigureRow, figure_rows
from xlgen.scoring.files import Kind, Record, check_separator
from xlgen.scoring.parallel import Sources, read_outputs
from xlgen.scoring.stream import BadRows, Collected, collect, entries, mapping_records

TAKEN = ("file", "metric", "value", "first", "second", "difference", "low", "high", "p", "n", "signature")
"""Reserved keys of result rows, which cannot be names of fields to group by."""

__all__ = ["BadRows", "Collected", "FigureRow", "check_separator", "figure_rows", "score", "score_records"]


def score(
    rows: str | Path | Iterable[JsonMapping],
    metrics: Sequence[MetricChoice] | None = None,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    bootstrap: int = 1000,
    seed: int = 0,
    subset: str | None = None,
    strict: bool = True,
    lid: str | None = None,
    references: Sequence[str | Path] = (),
    input: str | Path | None = None,
    separator: str | None = None,
) -> list[FigureRow]:
    """Score a system's outputs, as ``xlgen score`` does.

    Args:
        rows: Mappings with ``prediction``, and optionally ``id``, ``language``, ``references`` and ``input``; or a file
            or folder of such rows.
        metrics: Names of metrics or of their values, or either with options: ``{"name": "rouge", "use_stemmer":
            True}``, or ``Rouge(use_stemmer=True)``. If None, they are chosen by the fields of the rows.
        by: Fields of the rows to group by.
        language: Language of rows without the field ``language``.
        bootstrap: Number of resamples for the intervals; 0 for no intervals.
        seed: Resampling seed.
        subset: Name of a subset to score in place of all rows: ``no-digits-in-language``.
        strict: Whether a bad row is an error; otherwise it is left out.
        lid: A name or path for ``xlgen.metrics.lid.load_identifier``: the identifier of the subset and of metrics
            given by name. If None, lid.176.ftz.
        references: If ``rows`` is a file, files with one reference per line for each of its rows. If it is a file of
            answers by id, one file with the questions in SQuAD's format.
        input: A file with one input per line for each row.
        separator: The character between the fields of a CSV or TSV file. If None, a comma or a tab.

    Returns:
        Rows with ``backbone, method, learning_rate, seed, step, task, language, metric, value, low, high, n,
        signature``; rates and scores are in percent.

    Raises:
        InputError: for a bad row if ``strict``, and if there is no good row.
    """
    sources = Sources(tuple(map(str, references)), None if input is None else str(input))
    if isinstance(rows, str | Path):
        records, source = read_outputs(str(rows), None, sources, separator=check_separator(separator)), str(rows)
    elif references or input is not None or separator is not None:
        raise InputError("files of references and inputs, and a separator, can be given only for rows in a file")
    else:
        records, source = mapping_records(rows), "the rows"
    bad = BadRows(strict)
    collected = score_records(records, source, bad, by, language, metrics=metrics, subset=subset, lid=lid)
    if note := bad.unread_note():
        warnings.warn(f"{source}: {note}", stacklevel=2)
    return figure_rows(collected, bootstrap, seed, subset_called(subset, lid or SMALL) if subset else None)


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


def check_renamed(pairs: Sequence[str]) -> dict[str, str]:
    """Parse field names given as ``prediction=output``. Raises InputError."""
    found = {}
    for pair in pairs:
        name, equals, theirs = pair.partition("=")
        if name not in FIELDS or not equals or not theirs:
            raise InputError(f"{pair!r} must be FIELD=NAME, with FIELD one of {', '.join(FIELDS)}: prediction=output")
        found[name] = theirs
    return found


def check_kind(kind: str | None) -> Kind | None:
    """Check the name of a file format. Raises InputError."""
    if kind not in (None, *get_args(Kind)):
        raise InputError(f"--input-format must be one of {', '.join(get_args(Kind))}, not {kind!r}")
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
