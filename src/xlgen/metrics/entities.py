"""F1 of named entities in IOB2 tags (Ramshaw and Marcus 1995), equal to CoNLL-2003's script and seqeval."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, TypeAlias

import numpy as np

from xlgen.metrics.accuracy import bare
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.packed import pack, sums
from xlgen.metrics.tags import tags

Span: TypeAlias = tuple[int, int, str]
"""(first word, last word, type)."""


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of one sentence, by seqeval's default rule.

    ``B-X`` starts an entity; so does an ``I-X`` that does not continue an entity of its type. ``B`` and ``I`` alone
    have the type ``_``. Every other tag is outside.
    """
    found: list[Span] = []
    in_entity = False
    for place, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        kind = kind or "_"
        inside = prefix in ("B", "I")
        if inside and prefix == "I" and in_entity and found[-1][2] == kind:
            found[-1] = (found[-1][0], place, kind)
        elif inside:
            found.append((place, place, kind))
        in_entity = inside
    return found


def counts(predicted: Sequence[str], gold: Sequence[str]) -> tuple[int, int, int]:
    """(right, found, wanted) entities of one sentence; words without a predicted tag are outside (XGLUE's rule)."""
    found, wanted = spans(predicted), spans(gold)
    return len(set(found) & set(wanted)), len(found), len(wanted)


def ratio(part: int, whole: int) -> float:
    """``part / whole``; 0 if ``whole`` is 0, as in seqeval and scikit-learn."""
    return part / whole if whole else 0.0


def span_f1(predicted: Sequence[Sequence[str]], gold: Sequence[Sequence[str]]) -> float:
    """Micro F1 in [0, 1] over the entities of all sentences: ``seqeval.metrics.f1_score``."""
    rows = [counts(tags, wanted) for tags, wanted in zip(predicted, gold, strict=True)]
    right, found, wanted = (sum(row[place] for row in rows) for place in range(3))
    return ratio(2 * right, found + wanted)


def _f1(scores: Scores) -> float:
    right, found, wanted = sums(scores)
    return ratio(2 * right, found + wanted)


def _precision(scores: Scores) -> float:
    right, found, _ = sums(scores)
    return ratio(right, found)


def _recall(scores: Scores) -> float:
    right, _, wanted = sums(scores)
    return ratio(right, wanted)


@metrics.register("entities")
@dataclass(frozen=True)
class Entities:
    """Micro-averaged F1, precision and recall of entities in space-separated tags, in percent.

    Each tag may follow a sentinel, as in sequence tagging written as text. The values equal seqeval's micro averages in
    its default mode. They are 0 if there are no entities, gold or predicted.
    """

    form: Literal["tags", "spans"] = "tags"
    """``spans``: entities written as ``PER: Ada Lovelace $$ LOC: London``. Equal to mT5's ``span_f1``, which Vu et al.
    (2022, Tables 6 and 7) report for WikiANN. A part without exactly one colon is not an entity."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("span_f1", corpus=_f1),
        MetricSpec("span_precision", corpus=_precision),
        MetricSpec("span_recall", corpus=_recall),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """The three counts of each input, packed; NaN without a reference."""
        packed = _packed if self.form == "tags" else _packed_spans
        scores = np.array([packed(example) for example in examples], dtype=float)
        return {figure.name: scores for figure in self.figures}

    def signature(self, language: str) -> str:
        """The form of the entities, and how they are averaged."""
        return "scheme:IOB2|average:micro" if self.form == "tags" else "sep: $$ |average:micro"


def _packed(example: Example) -> float:
    if not example.references:
        return np.nan
    # The text before clean-up, which would remove repeated tags at the end.
    text = example.prediction if example.raw_prediction is None else example.raw_prediction
    return pack(*counts(tags(text), bare(example.references[0]).split()))


def _packed_spans(example: Example) -> float:
    if not example.references:
        return np.nan
    # The text before clean-up, which would remove repeated entities at the end.
    text = example.prediction if example.raw_prediction is None else example.raw_prediction
    found, wanted = _written(text), _written(example.references[0])
    return pack((found & wanted).total(), found.total(), wanted.total())


def _written(text: str) -> Counter[tuple[str, str]]:
    """(type, text) of each entity, with its number of occurrences."""
    parts = (part.split(":") for part in bare(text).split(" $$ "))
    return Counter((part[0].strip(), part[1].strip()) for part in parts if len(part) == 2)
