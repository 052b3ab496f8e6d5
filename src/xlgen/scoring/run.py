"""Implementation of ``xlgen score``: score one or two files, and write the fault labels of each row."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TextIO

from xlgen.core.arguments import argument
from xlgen.core.json_types import JsonObject
from xlgen.core.outputs import check_output, replacing
from xlgen.core.registry import InputError
from xlgen.metrics.faults import find, label_rows
from xlgen.metrics.lid import SMALL
from xlgen.metrics.options import FILES, MetricChoice, MetricOptions
from xlgen.metrics.subset import subset as subset_called
from xlgen.scoring import check_fields, check_kind, score_records
from xlgen.scoring.entries import Entry
from xlgen.scoring.figures import compare, figure_rows
from xlgen.scoring.files import check_separator
from xlgen.scoring.pairing import repeated
from xlgen.scoring.parallel import Sources, read_outputs
from xlgen.scoring.stream import BadRows, Collected


def score_files(
    sources: Sequence[str],
    metrics: Sequence[MetricChoice] | None = None,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    *,
    bootstrap: int = 1000,
    seed: int = 0,
    subset: str | None = None,
    strict: bool = False,
    lid: str | None = None,
    references: Sequence[str] = (),
    input: str | None = None,
    separator: str | None = None,
    metric_options: MetricOptions | None = None,
    faults: Path | None = None,
    fields: Mapping[str, str] | None = None,
    input_format: str | None = None,
    say: Callable[[str], None] | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> JsonObject:
    """Score one file, or two files and their differences.

    Args:
        sources: One or two files or folders; ``-`` is standard input.
        metrics, by, language, bootstrap, seed, subset, strict, lid, references, input, separator, metric_options,
            fields, input_format, say, progress: As for :func:`xlgen.api.scoring.score`.
        faults: Path for the fault labels of each row of the first file, as JSONL; not one of the files that are read.
            An existing file is replaced only after all rows are scored.

    Returns:
        ``{"rows": [...]}``. For two files, each row has its ``file``, and ``comparison`` and ``pairs`` are added.

    Raises:
        InputError: see :func:`xlgen.scoring.score_records`; and if no rows pair.
    """
    renamed = check_fields(fields or {})
    kind, separator = check_kind(input_format), check_separator(separator)
    if [*sources, *references, input].count("-") > 1:
        raise InputError("only one file can be standard input")
    if faults is not None:
        check_output(faults, [*sources, *references, input, lid, *_files_in(metric_options)], argument("faults"))
    chosen = subset_called(subset, lid or SMALL) if subset else None
    # The labels replace an older file only on success.
    with replacing(faults) if faults is not None else nullcontext() as file:
        found: list[Collected] = []
        parallel = Sources(references, input, renamed)
        for number, source in enumerate(sources):
            bad = BadRows(strict)
            collected = score_records(
                read_outputs(source, kind, parallel, say or _silent, separator=separator),
                source,
                bad,
                by,
                language,
                renamed,
                metrics=found[0].asked if found else metrics,
                subset=subset,
                keep_ids=len(sources) == 2,
                seen=_seen(file if number == 0 else None, progress, lid or SMALL),
                lid=lid,
                options=metric_options,
            )
            _say_what_was_left_out(source, collected, bad, say)
            found.append(collected)
        if len(found) == 1:
            return {"rows": figure_rows(found[0], bootstrap, seed, chosen)}
        rows = [
            {"file": source, **row}
            for source, collected in zip(sources, found, strict=True)
            for row in figure_rows(collected, bootstrap, seed, chosen)
        ]
        differences, pairs = compare(found[0], found[1], bootstrap, seed, chosen)
        if not pairs["paired"]:
            raise InputError(
                f"nothing to compare: no row of {sources[0]} has the language and id of one of {sources[1]}"
            )
        return {"rows": rows, "comparison": differences, "pairs": pairs}


def _files_in(options: MetricOptions | None) -> list[str]:
    """The files that metric options name."""
    return [str(of[key]) for of in (options or {}).values() for key in FILES if isinstance(of.get(key), str)]


def _seen(file: TextIO | None, progress: Callable[[int], None], lid: str) -> Callable[[list[Entry]], None]:
    """A callback that counts the rows of each chunk and writes their labels to ``file``."""
    done = 0

    def seen(chunk: list[Entry]) -> None:
        nonlocal done
        if file is not None:
            for entry, found in zip(chunk, label_rows(find([each.example for each in chunk], lid)), strict=True):
                about: JsonObject = {"row": entry.number, "id": entry.id, "language": entry.example.language}
                about["prediction"] = entry.example.prediction
                labels = {"labels": found.labels, "unknown": found.unknown}
                file.write(json.dumps({**about, **labels}, ensure_ascii=False) + "\n")
        done += len(chunk)
        progress(done)

    return seen


def _silent(text: str) -> None:
    """Receives messages for callers that do not take them."""


def _say_what_was_left_out(source: str, collected: Collected, bad: BadRows, say: Callable[[str], None] | None) -> None:
    note = bad.unread_note()
    if note and say is None:
        warnings.warn(f"{source}: {note}", stacklevel=4)
    say = say or _silent
    if bad.count:
        say(f"{source}: {bad.count} bad rows were left out:")
        for message in bad.first:
            say(f"  {message}")
        if bad.count > len(bad.first):
            say(f"  ... and {bad.count - len(bad.first)} more")
    if count := repeated(collected):
        fields = ", ".join(dict.fromkeys(["language", *collected.by]))
        say(f"{source}: {count} rows repeat the {fields} and id of another; all are scored")
    if bad.uncertain and collected.ids is not None:
        raise InputError(
            f"{source} has rows without ids in several languages, and a bad row of unknown language, so its rows "
            "cannot be paired with those of the other file. Fix the row, or add ids"
        )
    if note:
        say(f"{source}: {note}")
    if bad.repaired:
        say(f"{source}: {bad.repaired} rows have lone surrogates, which were replaced by U+FFFD")
