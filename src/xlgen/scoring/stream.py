"""Scoring of a stream of entries in bounded memory: for each row, only its scores are kept, not its texts."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xlgen.core.json_types import JsonMapping
from xlgen.core.registry import InputError
from xlgen.metrics.base import Metric, MetricSpec, Scores
from xlgen.metrics.options import MetricChoice, MetricOptions, with_options
from xlgen.metrics.score import choose
from xlgen.metrics.subset import Subset
from xlgen.scoring.entries import Entry, language_of, parse_entry
from xlgen.scoring.files import Record

ALWAYS = (
    *("correct_language_rate", "lid_confidence", "lengths", "leftovers", "faults"),
    *("reference_language_rate", "script_rate"),
)
"""Default metrics, which need no references."""
WITH_REFERENCES = ("rouge1", "rouge2", "rougeL", "mlqa_f1", "mlqa_em")
"""Additional default metrics if the first rows have references."""

# Maximum number of rows and of characters of a chunk.
_ROWS, _CHARACTERS = 1_024, 4_000_000
_SHOWN = 10
OTHERS = "other values"
_GROUPS = 10_000


@dataclass
class BadRows:
    """Rows that were left out, and other problems of rows."""

    strict: bool = False
    count: int = 0
    first: list[str] = field(default_factory=list)
    """Error messages of the first ten."""
    repaired: int = 0
    """Number of rows with lone surrogates."""
    unread: Counter[str] = field(default_factory=Counter)
    """Number of rows with each unknown value of the fields for truncation."""
    uncertain: bool = False
    """Whether rows of several languages have no ids and follow a bad row of unknown language."""

    def read(self, entry: Entry) -> None:
        """Record the problems of a good row."""
        self.repaired += entry.repaired
        for value in entry.unread:
            self.unread[value if value in self.unread or len(self.unread) < _SHOWN else OTHERS] += 1

    def unread_note(self) -> str | None:
        """A message about the values in ``unread``; None if there are none."""
        if not self.unread:
            return None
        counts = ", ".join(f"{value} ({count:,} rows)" for value, count in self.unread.items())
        return f"unknown values for whether an output was truncated were ignored: {counts}"

    def add(self, where: str, error: InputError) -> None:
        """Record a bad row; in strict mode, raise its error."""
        message = f"{where}: {error}"
        if self.strict:
            raise InputError(message)
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(message)


@dataclass
class Collected:
    """The scores of all rows, in the order of the rows."""

    by: tuple[str, ...]
    figures: list[tuple[Metric, MetricSpec]]
    scores: list[Scores]
    """One array per entry of ``figures``."""
    groups: list[tuple[str, ...]]
    """The values of ``by`` of each group, in order of first occurrence."""
    languages: list[list[str]]
    """The languages of each group, sorted."""
    group: NDArray[np.intp]
    """The group of each row, as an index of ``groups``."""
    keys: NDArray[np.int64]
    """A hash of each row's language and id, valid within this process."""
    inputs: NDArray[np.int64]
    references: NDArray[np.int64]
    """Hashes of each row's input and references; 0 if there is none."""
    ids: list[str] | None
    row_languages: list[str] | None
    """Id and language of each row; None unless ``keep_ids`` was set."""

    @property
    def asked(self) -> list[str]:
        """The names of all values."""
        return [figure.name for _, figure in self.figures]

    def rows_of(self) -> Iterator[tuple[int, NDArray[np.intp]]]:
        """Yield each group's index and its rows."""
        order = np.argsort(self.group, kind="stable")
        bounds = np.searchsorted(self.group[order], np.arange(len(self.groups) + 1))
        for number, (start, end) in enumerate(pairwise(bounds)):
            yield number, order[start:end]


def entries(
    records: Iterable[Record],
    bad: BadRows,
    by: Sequence[str] = ("language",),
    language: str | None = None,
    renamed: Mapping[str, str] | None = None,
) -> Iterator[Entry]:
    """Yield the good rows, and add the bad ones to ``bad``.

    Rows without an id are numbered from 0 in each language, including bad ones, so that a row's number does not depend
    on errors in other rows. A bad row of unknown language counts in every language.
    """
    numbers, of_any = Counter[str](), 0
    for number, (where, record) in enumerate(records):
        try:
            if isinstance(record, InputError):
                raise record
            entry = parse_entry(record, number, by, language, renamed)
        except InputError as error:
            code = language_of(record, language, renamed) if isinstance(record, dict) else None
            of_any += code is None
            numbers.update([code] if code else [])
            bad.add(where, error)
            continue
        code = entry.example.language
        if entry.numbered:
            bad.uncertain |= bool(of_any) and len(numbers) > 1
            entry = replace(entry, id=str(numbers[code] + of_any))
        numbers[code] += 1
        bad.read(entry)
        yield entry


def collect(
    rows: Iterable[Entry],
    by: Sequence[str] = ("language",),
    metrics: Sequence[MetricChoice] | None = None,
    subset: Subset | None = None,
    keep_ids: bool = False,
    seen: Callable[[list[Entry]], None] = lambda chunk: None,
    lid: str | None = None,
    options: MetricOptions | None = None,
) -> Collected:
    """Score all rows.

    Args:
        rows: The rows, without a limit on their number.
        by: Fields to group by.
        metrics: As for :func:`xlgen.metrics.score.score`. If None, they are chosen by the fields of the first rows.
        subset: Score only the rows that it keeps.
        keep_ids: Whether to keep ids and not only their hashes.
        seen: Called with each chunk of scored rows.
        lid: The language identifier of metrics given by name. If None, each metric's default.
        options: Options of metrics given by name and of default metrics.
    """

    def chosen_of(specs: Sequence[MetricChoice]) -> list[tuple[Metric, list[MetricSpec]]]:
        return list(choose(with_options(specs, options or {}), lid))

    chosen = None if metrics is None else chosen_of(metrics)
    parts: list[list[Scores]] = []
    index: dict[tuple[str, ...], int] = {}
    languages: list[set[str]] = []
    group, keys, inputs, references = (array("q") for _ in range(4))
    ids, row_languages = list[str](), list[str]()
    for chunk in _chunks(rows):
        if subset:
            kept = subset.keep([entry.example for entry in chunk])
            chunk = [entry for entry, keep in zip(chunk, kept, strict=True) if keep]
        if not chunk:
            continue
        if chosen is None:
            with_references = any(entry.example.references for entry in chunk)
            chosen = chosen_of((*(WITH_REFERENCES if with_references else ()), *ALWAYS))
        examples = [entry.example for entry in chunk]
        found = [(metric.per_example(examples), figures) for metric, figures in chosen]
        parts.append([scores[figure.name] for scores, figures in found for figure in figures])
        for entry in chunk:
            number = index.setdefault(entry.group, len(index))
            if number == len(languages):
                languages.append(set())
                _check_groups(number, by)
            languages[number].add(entry.example.language)
            group.append(number)
            keys.append(hash((entry.example.language, entry.id)))
            inputs.append(hash(entry.example.input) if entry.example.input is not None else 0)
            references.append(hash(entry.example.references) if entry.example.references else 0)
        if keep_ids:
            ids += [entry.id for entry in chunk]
            row_languages += [entry.example.language for entry in chunk]
        seen(chunk)
    return Collected(
        by=tuple(by),
        figures=[(metric, figure) for metric, figures in chosen or [] for figure in figures],
        scores=[np.concatenate(each) for each in zip(*parts, strict=True)],
        groups=list(index),
        languages=[sorted(codes) for codes in languages],
        group=np.array(group, dtype=np.intp),
        keys=np.array(keys, dtype=np.int64),
        inputs=np.array(inputs, dtype=np.int64),
        references=np.array(references, dtype=np.int64),
        ids=ids if keep_ids else None,
        row_languages=row_languages if keep_ids else None,
    )


def _check_groups(number: int, by: Sequence[str]) -> None:
    if number >= _GROUPS:
        raise InputError(f"more than {_GROUPS:,} groups: {','.join(by)} has too many values to group by")


def _chunks(rows: Iterable[Entry]) -> Iterator[list[Entry]]:
    chunk: list[Entry] = []
    size = 0
    for entry in rows:
        chunk.append(entry)
        size += entry.size
        if len(chunk) == _ROWS or size >= _CHARACTERS:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk


def mapping_records(rows: Iterable[JsonMapping]) -> Iterator[Record]:
    """Records of rows that are already in memory."""
    for number, row in enumerate(rows, start=1):
        wrong = InputError(f"it must be a mapping, not {type(row).__name__}")
        yield f"row {number}", dict(row) if isinstance(row, Mapping) else wrong
