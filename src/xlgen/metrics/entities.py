"""F1 of named entities tagged word by word in IOB2 (Ramshaw and Marcus 1995), as CoNLL-2003's script and seqeval."""

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

    ``B-X`` begins one; so does an ``I-X`` that does not go on from an entity of its type. ``B`` and ``I`` alone are of
    the type ``_``. Whatever else a tag is, it is outside.
    """
    found: list[Span] = []
    goes_on = False
    for place, tag in enumerate(tags):
        prefix, _, kind = tag.partition("-")
        kind = kind or "_"
        inside = prefix in ("B", "I")
        if inside and prefix == "I" and goes_on and found[-1][2] == kind:
            found[-1] = (found[-1][0], place, kind)
        elif inside:
            found.append((place, place, kind))
        goes_on = inside
    return found


def counts(predicted: Sequence[str], gold: Sequence[str]) -> tuple[int, int, int]:
    """(right, found, wanted) entities of one sentence; words without a predicted tag are outside (XGLUE's rule)."""
    found, wanted = spans(predicted), spans(gold)
    return len(set(found) & set(wanted)), len(found), len(wanted)


def ratio(part: int, whole: int) -> float:
    """``part / whole``, and 0 of nothing, as seqeval and scikit-learn have it."""
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
    """F1, precision and recall of entities in tags with spaces between them, all inputs together, in percent.

    Tags may be written as text, a sentinel before each. Equal to seqeval's micro averages in its default mode. Where
    nothing is to be found and nothing was, they are 0.
    """

    form: Literal["tags", "spans"] = "tags"
    """``spans``: entities written as ``PER: Ada Lovelace $$ LOC: London``. Equal to mT5's ``span_f1``, which Vu et al.
    (2022, Tables 6 and 7) report for WikiANN: what has no colon, or several, is no entity."""

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
        """How entities are read."""
        return "scheme:IOB2|average:micro" if self.form == "tags" else "sep: $$ |average:micro"


def _packed(example: Example) -> float:
    if not example.references:
        return np.nan
    # Before clean-up, which would keep a tag repeated at the end only once.
    text = example.prediction if example.raw_prediction is None else example.raw_prediction
    return pack(*counts(tags(text), bare(example.references[0]).split()))


def _packed_spans(example: Example) -> float:
    if not example.references:
        return np.nan
    # Before clean-up, which would keep an entity repeated at the end only once.
    text = example.prediction if example.raw_prediction is None else example.raw_prediction
    found, wanted = _written(text), _written(example.references[0])
    return pack((found & wanted).total(), found.total(), wanted.total())


def _written(text: str) -> Counter[tuple[str, str]]:
    """(type, text) of each entity, as often as it is written."""
    parts = (part.split(":") for part in bare(text).split(" $$ "))
    return Counter((part[0].strip(), part[1].strip()) for part in parts if len(part) == 2)
