"""Whether inputs in several languages can be translations of one another; what shows that they are not is an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from xlgen.core.arguments import argument
from xlgen.data.examples import LabelledExample
from xlgen.data.readers import DataError
from xlgen.data.tasks import Task

_ADVICE = (
    "rows that are translations of one another need the same id or, without ids, the same position; or leave a "
    f"language out with {argument('languages')}"
)


def check_pairing(task: Task, split: str, examples: Mapping[str, Sequence[LabelledExample]]) -> None:
    """Raise DataError where examples of ``task``, by language, cannot be parallel.

    That is where a language has an id twice; and where rows have no ids, so that their number stands for one, and
    languages have different numbers of them.
    """
    where = f"task {task.config.name}, split {split}"
    for code, found in examples.items():
        _check_ids(found, f"{where}, language {code}")
    counts = {code: count for code, found in examples.items() if (count := _numbered(task, split, code, found))}
    if len(set(counts.values())) > 1:
        counted = ", ".join(f"{count} of {code}" for code, count in counts.items())
        raise DataError(f"{where}: the inputs are not parallel: rows have no ids, and there are {counted}; {_ADVICE}")


def check_same_ids(ids: Mapping[str, Sequence[str]], where: str) -> None:
    """Raise DataError where a language has other ids than the first one has, or another order of them."""
    (first, wanted), *others = ids.items()
    for code, found in others:
        if list(found) == list(wanted):
            continue
        odd = sorted(set(wanted) ^ set(found))
        which = "their order differs"
        if odd:
            which = f"{odd[0]!r} is in {first if odd[0] in wanted else code} only"
        raise DataError(f"{where} of {first} and {code} are not parallel: {which}; {_ADVICE}")


def check_texts(examples: Mapping[str, Iterable[LabelledExample]], where: str) -> None:
    """Raise DataError where two languages have the same texts throughout."""
    seen: dict[tuple[tuple[str, ...], ...], str] = {}
    for code, found in examples.items():
        other = seen.setdefault(tuple(example.texts for example in found), code)
        if other != code:
            raise DataError(
                f"{where}: the texts of {other} and {code} are all the same; a file of each language is wanted: is "
                "there no {language} in the reader's path?"
            )


def _check_ids(examples: Sequence[LabelledExample], where: str) -> None:
    seen: dict[str, str] = {}
    for example in examples:
        if example.id in seen:
            raise DataError(
                f"{where}: {example.where} has the id {example.id!r} of {seen[example.id]}; parallel inputs are found "
                "by their id, which each needs to have for itself (the task's key `id` names its field)"
            )
        seen[example.id] = example.where


def _numbered(task: Task, split: str, code: str, examples: Sequence[LabelledExample]) -> int | None:
    """How many rows a language has, beyond any limit, where they have no ids; else None."""
    if any(example.id != str(number) for number, example in enumerate(examples)):
        return None
    rows = task.reader.read(code, task.config.splits.get(split, split))
    return 1 + sum(1 for _ in rows) if task.config.id not in next(rows).fields else None
