"""Score and compare the outputs of any system. Nothing here needs an extra."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from xlgen.api.rows import Rows
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError
from xlgen.metrics.lid import SMALL
from xlgen.metrics.options import MetricChoice, MetricOptions
from xlgen.metrics.subset import subset as subset_called
from xlgen.scoring import BadRows, FigureRow, figure_rows, score_records
from xlgen.scoring.run import score_files
from xlgen.scoring.stream import mapping_records

Say = Callable[[str], None]
Count = Callable[[int], None]


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
    *,
    metric_options: MetricOptions | None = None,
    faults: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    input_format: str | None = None,
    say: Say | None = None,
    progress: Count = lambda count: None,
) -> list[FigureRow]:
    """Score a system's outputs.

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
        lid: Language identifier of the subset, of the faults and of metrics given by name: ``lid.176.ftz`` (the
            default), ``lingua``, ``lingua-low``, ``cld3`` or a fastText file.
        references: If ``rows`` is a file, files with one reference per line for each of its rows. If it is a file of
            answers by id, one file with the questions in SQuAD's format.
        input: A file with one input per line for each row.
        separator: The character between the fields of a CSV or TSV file. If None, a comma or a tab.
        metric_options: Options of metrics, by the name of a metric or of one of its values: ``{"rouge":
            {"use_stemmer": True}}``. They also apply to the default metrics.
        faults: If ``rows`` is a file, a JSONL file to write the faults of each row to. It replaces an existing file at
            the end.
        fields: Names of the fields in the file: ``{"prediction": "output"}``.
        input_format: Format of the file. If None, that of its suffix.
        say: Called with messages about rows that were left out. If None, only fields that were not read cause a
            warning.
        progress: Called with the number of scored rows after each chunk.

    Returns:
        Rows with ``backbone, method, learning_rate, seed, step, task, language, metric, value, low, high, n,
        signature``; rates and scores are in percent.

    Raises:
        InputError: for a bad row if ``strict``, and if there is no good row.
    """
    if isinstance(rows, str | Path):
        found: list[FigureRow] = score_files(
            [str(rows)],
            metrics,
            by,
            language,
            bootstrap=bootstrap,
            seed=seed,
            subset=subset,
            strict=strict,
            lid=lid,
            references=tuple(map(str, references)),
            input=None if input is None else str(input),
            separator=separator,
            metric_options=metric_options,
            faults=None if faults is None else Path(faults),
            fields=fields,
            input_format=input_format,
            say=say,
            progress=progress,
        )["rows"]
        return found
    if references or any(each is not None for each in (input, separator, faults, fields, input_format)):
        raise InputError(
            "references, input, separator, faults, fields and input_format can be given only for rows in a file"
        )
    bad = BadRows(strict)
    collected = score_records(
        mapping_records(rows),
        "the rows",
        bad,
        by,
        language,
        metrics=metrics,
        subset=subset,
        lid=lid,
        options=metric_options,
    )
    if note := bad.unread_note():
        warnings.warn(f"the rows: {note}", stacklevel=2)
    return figure_rows(collected, bootstrap, seed, subset_called(subset, lid or SMALL) if subset else None)


@dataclass(frozen=True)
class Comparison:
    """The difference between two systems."""

    differences: Rows
    """By group and metric: ``first``, ``second``, ``difference``, its interval ``low`` to ``high``, and ``p``."""
    metrics: Rows
    """The scores of both systems; ``file`` is the system."""
    pairs: JsonObject
    """Number of rows that were paired, and of those that were not."""


def compare(
    first: str | Path,
    second: str | Path,
    *,
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
    metric_options: MetricOptions | None = None,
    faults: str | Path | None = None,
    fields: Mapping[str, str] | None = None,
    input_format: str | None = None,
    say: Say = lambda text: None,
    progress: Count = lambda count: None,
) -> Comparison:
    """Compare the outputs of two systems, paired by language and id, with a paired bootstrap.

    Args:
        first: A file or folder of rows, as for :func:`score`.
        second: The file or folder of the other system.
        metrics, by, language, bootstrap, seed, subset, strict, lid, references, input, separator, metric_options,
            fields, input_format, say, progress: As for :func:`score`, for both systems.
        faults: A JSONL file to write the faults of each row of the first system to.

    Raises:
        InputError: for a bad row if ``strict``, and if the two systems have no pair of language and id in common.
    """
    found = score_files(
        [str(first), str(second)],
        metrics,
        by,
        language,
        bootstrap=bootstrap,
        seed=seed,
        subset=subset,
        strict=strict,
        lid=lid,
        references=tuple(map(str, references)),
        input=None if input is None else str(input),
        separator=separator,
        metric_options=metric_options,
        faults=None if faults is None else Path(faults),
        fields=fields,
        input_format=input_format,
        say=say,
        progress=progress,
    )
    return Comparison(Rows(found["comparison"]), Rows(found["rows"]), found["pairs"])
