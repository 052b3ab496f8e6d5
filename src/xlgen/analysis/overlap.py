"""Label overlap d: the share of a task's parallel inputs with the same label in two languages.

``d(s, t) = sum_i 1(l(c_s^i) = l(c_t^i)) / n`` (Li and Murray 2023, section 5.1). It is about 100 % if labels are
classes and about 0 % if they are sentences. The lower it is, the more a model must distinguish languages.

The paper also mentions word-level overlap, for tags (5.2) and for generation as a sequence of word choices (5). The
words of translated sentences are not aligned by position, so word-level d compares bags of words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Literal

from xlgen.analysis.numeric import NumericShares, numeric_shares
from xlgen.analysis.rows import AnalysisRows
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import language_name
from xlgen.core.registry import InputError
from xlgen.core.tables import Table, number_column, text_table
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.markup import without_tokens
from xlgen.data.tasks import Task
from xlgen.metrics.words import splitter
from xlgen.representations.pairing import check_pairing, check_texts

AVERAGE = "average"

Pairing = Literal["id", "fields", "none"]
"""How inputs of two languages are paired: by id, by the fields in the task's ``pairs_by``, or not at all."""


@dataclass(frozen=True)
class Overlap:
    """Label overlap of a source and a target language."""

    task: str
    split: str
    source: str
    language: str
    """The target language, or ``average``: the unweighted mean over them. (The second formula of Li and Murray (2023)
    is a sum, but their text says average, and their values are percentages.)"""
    value: float | None
    """d in percent; None if inputs are not parallel."""
    n: int
    """Number of inputs that both languages have; if inputs are not parallel, number of the language's inputs; for the
    average, the sum over languages."""
    words: float
    """Word-level d in percent. For parallel labels, the common words over the words of the longer label; otherwise,
    the overlap of the word distributions."""
    pairing: Pairing
    pure_numbers: float
    """Percentage of the language's labels that are numbers; see :class:`xlgen.analysis.numeric.NumericShares`."""
    mostly_numbers: float
    some_numbers: float


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """Percentage of positions at which two sequences of labels are exactly equal.

    Raises InputError if they differ in length or are empty.
    """
    _check_pairs(first, second)
    return 100 * sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


def word_overlap(first: Sequence[Sequence[str]], second: Sequence[Sequence[str]]) -> float:
    """Percentage of words that pairs of labels have in common.

    ``sum_i |w(a_i) & w(b_i)| / sum_i max(|w(a_i)|, |w(b_i)|)`` over bags of words w. Raises InputError if the sequences
    differ in length, or have no words.
    """
    _check_pairs(first, second)
    common = sum((Counter(a) & Counter(b)).total() for a, b in zip(first, second, strict=True))
    longest = sum(max(len(a), len(b)) for a, b in zip(first, second, strict=True))
    if not longest:
        raise InputError("the labels have no words")
    return 100 * common / longest


def distribution_overlap(first: Iterable[str], second: Iterable[str]) -> float:
    """Overlap of two word distributions in percent: ``sum_w min(p(w), q(w))``. Each needs at least one word."""
    one, other = Counter(first), Counter(second)
    return 100 * sum(min(one[word] / one.total(), other[word] / other.total()) for word in one.keys() & other.keys())


def label_overlap(
    task: Task, source: str = "en", languages: Sequence[str] = (), split: str = "test", limit: int | None = None
) -> list[Overlap]:
    """Label overlap of ``source`` with each of ``languages``, and the average.

    The label is the training label: the first one if an example has several. Inputs are parallel if they have the same
    id (``parallel: true``) or the same values of the fields in ``pairs_by``; inputs that one of the two languages lacks
    are left out. For a task with neither, d is not defined. Instead, the word distributions of the labels are compared,
    and the numbers among the labels are counted.

    Args:
        task: The task.
        source: The language to compare the others with; English in Li and Murray (2023).
        languages: The other languages. If empty, all of the task.
        split: The split of the data.
        limit: Maximum number of examples per language.

    Raises:
        InputError: if the task lacks a language, or a language shares no input with the source.
        DataError: if a language has no examples, or examples that cannot be parallel; see
            :mod:`xlgen.representations.pairing`.
    """
    name, pairing = task.config.name, pairing_of(task)
    (pivot,) = task.check_languages((source,))
    codes = task.check_languages(tuple(languages)) or task.languages
    others = [code for code in dict.fromkeys(codes) if code != pivot]
    if not others:
        raise InputError(f"label overlap needs a language other than {pivot}")
    labels = _labels(task, (pivot, *others), split, limit, pairing)
    found = []
    for code in others:
        shared = [each for each in labels[pivot] if each in labels[code]] if pairing != "none" else []
        if pairing != "none" and not shared:
            what = "the id" if pairing == "id" else f"the {', '.join(map('/'.join, task.config.pairs_by))}"
            raise InputError(f"task {name}, split {split}: no example in {code} has {what} of an example in {pivot}")
        found.append(_compare(task, split, pivot, code, labels, shared))
    return [*found, _average(found)]


def overlap_rows(found: Iterable[Overlap]) -> list[JsonObject]:
    """One row per language, and the average."""
    return [{"analysis": "overlap", **asdict(each)} for each in found]


def overlap_tables(rows: AnalysisRows) -> list[Table]:
    """The table of saved rows."""
    lines = []
    for row in rows:
        name = "" if row["language"] == AVERAGE else language_name(row["language"])
        value = "–" if row["value"] is None else f"{row['value']:.2f}"
        # Files written by earlier versions have only d.
        numbers = (f"{row[f'{key}_numbers']:.1f}" if "words" in row else "–" for key in ("pure", "mostly", "some"))
        words = f"{row['words']:.2f}" if "words" in row else "–"
        lines.append([row["language"], name, value, words, f"{row['n']:,}", *numbers])
    heads = ("d (%)", "words (%)", "n", "numbers (%)", "mostly", "some")
    title = "Overlap of labels with those of the source language"
    return [text_table("overlap", title, ["language", "", *map(number_column, heads)], lines)]


def pairing_of(task: Task) -> Pairing:
    """How inputs of the task's languages are paired."""
    return "fields" if task.config.pairs_by else "id" if task.config.parallel else "none"


_Labels = Mapping[str, str]
"""The labels of a language by pairing key, or by position."""


def _labels(task: Task, codes: Sequence[str], split: str, limit: int | None, pairing: Pairing) -> dict[str, _Labels]:
    if pairing == "fields":
        return {code: dict(_by_fields(task, code, split, limit)) for code in codes}
    examples = {code: task.examples(code, split, limit) for code in codes}
    if pairing == "id":
        check_pairing(task, split, examples)
        check_texts(examples, f"task {task.config.name}, split {split}")
        return {code: {example.id: _label(example) for example in found} for code, found in examples.items()}
    return {code: {str(i): _label(each) for i, each in enumerate(found)} for code, found in examples.items()}


def _by_fields(task: Task, code: str, split: str, limit: int | None) -> Iterator[tuple[str, str]]:
    """Labels by the values of the pairing fields; rows with equal values are paired in order."""
    seen: Counter[tuple[str, ...]] = Counter()
    rows = islice(task.reader.read(code, task.config.splits.get(split, split)), limit)
    for number, record in enumerate(rows):
        key = _key(record, task.config.pairs_by)
        if key is not None:
            seen[key] += 1
            yield repr((*key, seen[key])), _label(task.example(record, code, number, labelled=True))


def _key(record: Record, fields: Sequence[Sequence[str]]) -> tuple[str, ...] | None:
    """The value of the first field that the row has from each list; None if it has no field from a list."""
    found = [next((record.fields[name] for name in names if record.fields.get(name)), None) for names in fields]
    return None if None in found else tuple(map(str, found))


def _label(example: LabelledExample) -> str:
    return example.targets[0].strip()


def _compare(
    task: Task, split: str, pivot: str, code: str, labels: Mapping[str, _Labels], shared: Sequence[str]
) -> Overlap:
    pairing = pairing_of(task)
    numbers = numeric_shares([_bare(label) for label in labels[code].values()], code)
    if pairing == "none":
        ours, theirs = (_all_words(task, labels[each], each) for each in (pivot, code))
        words = distribution_overlap(ours, theirs) if ours and theirs else 0.0
        return _row(task, split, pivot, code, None, len(labels[code]), words, numbers)
    value = overlap([labels[pivot][each] for each in shared], [labels[code][each] for each in shared])
    bags = [[_words(task, labels[each][key], each) for key in shared] for each in (pivot, code)]
    words = word_overlap(*bags) if any(bags[0]) or any(bags[1]) else 0.0
    return _row(task, split, pivot, code, value, len(shared), words, numbers)


def _all_words(task: Task, labels: _Labels, language: str) -> list[str]:
    return [word for label in labels.values() for word in _words(task, label, language)]


def _row(
    task: Task, split: str, pivot: str, code: str, value: float | None, n: int, words: float, numbers: NumericShares
) -> Overlap:
    shares = numbers.pure, numbers.mostly, numbers.some
    return Overlap(task.config.name, split, pivot, code, value, n, words, pairing_of(task), *shares)


def _average(found: Sequence[Overlap]) -> Overlap:
    def mean(values: Iterable[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    names = ("words", "pure_numbers", "mostly_numbers", "some_numbers")
    means = {name: mean(getattr(each, name) for each in found) or 0.0 for name in names}
    first, value, n = found[0], mean(each.value for each in found), sum(each.n for each in found)
    return Overlap(first.task, first.split, first.source, AVERAGE, value, n, pairing=first.pairing, **means)


def _bare(label: str) -> str:
    """The label without the sentinel tokens of its template."""
    return " ".join(without_tokens(label).split())


def _words(task: Task, label: str, language: str) -> list[str]:
    """The words of a label; each tag is one word."""
    tags = task.config.kind == "tagging" or "tag_accuracy" in _metrics(task)
    return _bare(label).split() if tags else splitter(language).split(_bare(label))


def _metrics(task: Task) -> set[str]:
    return {each if isinstance(each, str) else str(each.get("name")) for each in task.config.metrics}


def _check_pairs(first: Sequence[object], second: Sequence[object]) -> None:
    if len(first) != len(second) or not first:
        raise InputError(f"parallel inputs need one label in each language, not {len(first)} and {len(second)} labels")
