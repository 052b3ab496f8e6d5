"""Checks that inputs in several languages can be translations of one another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xlgen.core.arguments import argument
from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task

_FIX = (
    "translations need the same id or, without ids, the same position; or leave a language out with "
    f"{argument('languages')}"
)


def check_pairing(task: Task, split: str, examples: Mapping[str, Sequence[LabelledExample]]) -> None:
    """Raise DataError if examples of ``task``, by language, cannot be parallel.

    They cannot if a language has an id twice, or if rows are paired by position, since they have no ids, and languages
    have different numbers of rows.
    """
    where = f"task {task.config.name}, split {split}"
    for code, found in examples.items():
        _check_ids(found, f"{where}, language {code}")
    counts = {code: count for code, found in examples.items() if (count := _numbered(task, split, code, found))}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{count} of {code}" for code, count in counts.items())
        raise DataError(f"{where}: the inputs are not parallel: rows have no ids, and there are {counted}; {_FIX}")


def check_same_ids(ids: Mapping[str, Sequence[str]], where: str) -> None:
    """Raise DataError if the ids of a language or their order differ from those of the first language."""
    (first, wanted), *others = ids.items()
    for code, found in others:
        if list(found) == list(wanted):
            continue
        odd = sorted(set(wanted) ^ set(found))
        which = "their order differs"
        if odd:
            which = f"{odd[0]!r} is in {first if odd[0] in wanted else code} only"
        raise DataError(f"{where} of {first} and {code} are not parallel: {which}; {_FIX}")


def check_texts(examples: Mapping[str, Iterable[LabelledExample]], where: str) -> None:
    """Raise DataError if all texts of two languages are equal."""
    seen: dict[tuple[tuple[str, ...], ...], str] = {}
    for code, found in examples.items():
        other = seen.setdefault(tuple(example.texts for example in found), code)
        if other != code:
            raise DataError(
                f"{where}: the texts of {other} and {code} are all the same; each language needs its own file: does "
                "the reader's path lack {language}?"
            )


def _check_ids(examples: Sequence[LabelledExample], where: str) -> None:
    seen: dict[str, str] = {}
    for example in examples:
        if example.id in seen:
            raise DataError(
                f"{where}: {example.where} has the id {example.id!r} of {seen[example.id]}; parallel inputs are "
                "paired by id, which must be unique in a language (the task's key `id` names its field)"
            )
        seen[example.id] = example.where


def _numbered(task: Task, split: str, code: str, examples: Sequence[LabelledExample]) -> int | None:
    """The number of rows of a language without any limit, or None if they have ids."""
    if any(example.id != str(number) for number, example in enumerate(examples)):
        return None
    rows = task.reader.read(code, task.config.splits.get(split, split))
    return 1 + sum(1 for _ in rows) if task.config.id not in next(rows).fields else None
