"""Label overlap d: how many parallel inputs of a task have the same label in two languages (L, section 5.1).

``d(s, t) = sum_i 1(l(c_s^i) = l(c_t^i)) / n``. About 100 % where labels are classes, about 0 % where they are
sentences: the lower, the more a model must tell languages apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from xlgen.analysis.pairing import check_pairing, check_texts
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.registry import InputError

AVERAGE = "average"


@dataclass(frozen=True)
class Overlap:
    """d of a source and a target language."""

    task: str
    split: str
    source: str
    language: str
    """The target language, or ``average``: the mean over them, each counting alike. (L's second formula prints a sum;
    its text says the average, and its figures are percentages.)"""
    value: float
    """In percent."""
    n: int
    """Inputs that both languages have; of the average, the sum of them."""


def overlap(first: Sequence[str], second: Sequence[str]) -> float:
    """Percentage of places at which two sequences of labels are equal, character by character.

    Raises InputError where they differ in length or are empty.
    """
    if len(first) != len(second) or not first:
        raise InputError(f"labels of parallel inputs are wanted, not {len(first)} and {len(second)} of them")
    return 100 * sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


def label_overlap(
    task: Task, source: str = "en", languages: Sequence[str] = (), split: str = "test", limit: int | None = None
) -> list[Overlap]:
    """d of ``source`` and each of ``languages``, and the average.

    The label is what a model would be trained on: the first one where an example has several. Inputs are parallel where
    they have one id; those that one of the two languages lacks are left out.

    Args:
        task: One with parallel inputs (``parallel: true`` in its file).
        source: The language that the others are compared with; English in L.
        languages: Empty: all others of the task.
        split: Which part of the data.
        limit: At most so many examples of each language.

    Raises:
        InputError: for a task without parallel inputs, a language it has not, or one that shares no id with the source.
        DataError: where a language has no examples, or examples that cannot be parallel; see
            :mod:`xlgen.analysis.pairing`.
    """
    name = task.config.name
    if not task.config.parallel:
        raise InputError(
            f"task {name} does not say that its inputs are parallel; where rows of one id translate one another, write "
            "`parallel: true` into its file"
        )
    (pivot,) = task.check_languages((source,))
    codes = task.check_languages(tuple(languages)) or task.languages
    others = [code for code in dict.fromkeys(codes) if code != pivot]
    if not others:
        raise InputError(f"label overlap needs a language beside {pivot}")
    examples = {code: task.examples(code, split, limit) for code in (pivot, *others)}
    check_pairing(task, split, examples)
    check_texts(examples, f"task {name}, split {split}")
    reference = _labels(examples[pivot])
    found = []
    for code in others:
        labels = _labels(examples[code])
        shared = [each for each in reference if each in labels]
        if not shared:
            raise InputError(f"task {name}, split {split}: no example of {code} has the id of one of {pivot}")
        value = overlap([reference[each] for each in shared], [labels[each] for each in shared])
        found.append(Overlap(name, split, pivot, code, value, len(shared)))
    mean = sum(each.value for each in found) / len(found)
    return [*found, Overlap(name, split, pivot, AVERAGE, mean, sum(each.n for each in found))]


def _labels(examples: Sequence[LabelledExample]) -> dict[str, str]:
    return {example.id: example.targets[0].strip() for example in examples}
