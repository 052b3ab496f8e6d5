"""What is wrong with each output: one set of labels a prediction, and the rate of each fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import regex

from xlgen.metrics import leftovers
from xlgen.metrics.base import Example, Figure, Scores, plugins
from xlgen.metrics.lid import SMALL, load
from xlgen.metrics.repeats import repetitions, split_units
from xlgen.metrics.short_text import RULE, ShortText, verdicts
from xlgen.metrics.switches import PRICE, switches

OK = "ok"
UNKNOWN = float("nan")

# A prediction is a copy if so large a share of its n-grams is in the input; shorter ones may well be names.
_COPY_ORDER, _COPY_SHARE, _SHORTEST_COPY = 5, 0.9, 15
_ENDS = regex.compile(r"[\p{Sentence_Terminal}…][\p{Pe}\p{Pf}\p{Po}\"'\s]*$")


@dataclass(frozen=True)
class Findings:
    """The faults of one prediction."""

    labels: tuple[str, ...]
    """Of :data:`NAMES`, or ``ok`` alone where no fault was found."""
    unknown: tuple[str, ...]
    """Faults that could not be checked: ``truncated`` where nothing tells, ``copied`` without an input."""


def copied(example: Example) -> float:
    """Whether the prediction is the input or a copy of parts of it, while no reference is.

    A copy has at least 15 words (characters where no spaces separate words), and 90 % of its 5-grams are in the input.
    """
    if example.input is None:
        return UNKNOWN
    whole = example.input
    if not is_copy(example.prediction, whole):
        return 0.0
    return float(not any(is_copy(reference, whole) for reference in example.references))


def is_copy(text: str, whole: str) -> bool:
    """Whether ``text`` is all of ``whole``, or nearly all n-grams of a long ``text`` are in it."""
    if text.strip() == whole.strip():
        return True
    units = split_units(text).units
    if len(units) < _SHORTEST_COPY:
        return False
    grams = _ngrams(units)
    there = set(_ngrams(split_units(whole).units))
    return sum(gram in there for gram in grams) >= _COPY_SHARE * len(grams)


def _ngrams(units: Sequence[str]) -> list[tuple[str, ...]]:
    return list(zip(*(units[start:] for start in range(_COPY_ORDER)), strict=False))


def truncated(example: Example) -> float:
    """Whether generation ended at the length limit.

    Where the example does not say so: whether it ends as no sentence ends although all references do. Nobody knows
    where references end like that too, or there are none; an ending alone would find only what is whole.
    """
    if example.truncated is not None:
        return float(example.truncated)
    if not example.references or not all(map(_ends, example.references)):
        return UNKNOWN
    return float(not _ends(example.prediction))


def _ends(text: str) -> bool:
    """Whether a text ends as sentences end, with quotation marks and brackets closed behind."""
    return _ENDS.search(text.rstrip()[-20:]) is not None


CHECKS: dict[str, Callable[[Example], float]] = {
    "copied": copied,
    "truncated": truncated,
}
"""Faults that one example tells by itself. 1 is yes, 0 no, NaN unknown."""
OF_LANGUAGE = ("wrong-language", "code-switched")
"""Faults that language identification tells."""
NAMES = ("empty", *OF_LANGUAGE, *CHECKS, "leftovers", "repeated-ending", "loop")
"""All faults."""


def find(examples: Sequence[Example], identifier: str = SMALL, rule: ShortText = RULE) -> dict[str, Scores]:
    """Every fault of every example: 1 where it has it, 0 where not, NaN where that cannot be known.

    ``wrong-language`` goes by the top label of identification, and by ``rule`` where the output is short
    (:mod:`xlgen.metrics.short_text`). ``code-switched`` is an output with a span in another script, or in another
    language of the rule (:mod:`xlgen.metrics.switches`). ``leftovers``, ``repeated-ending`` and ``loop`` look at the
    output before clean-up, where it is known; an empty prediction may have these, and no other fault but that it is
    empty.
    """
    found = _of_text(examples)
    full = [row for row, example in enumerate(examples) if example.prediction.strip()]
    identifies = load(identifier)
    found["wrong-language"][full] = 1 - np.array(verdicts([examples[row] for row in full], identifies, rule))
    for row in full:
        spans = switches(examples[row].prediction, examples[row].language, rule.others, identifies)
        found["code-switched"][row] = bool(spans)
    return found


def without_identification(examples: Sequence[Example]) -> dict[str, Scores]:
    """The faults of :func:`find` that tell nothing of the language of an output, for those who know it already."""
    return {name: scores for name, scores in _of_text(examples).items() if name not in OF_LANGUAGE}


def _of_text(examples: Sequence[Example]) -> dict[str, Scores]:
    """All faults, of which those of language are not looked for yet."""
    found = {name: np.zeros(len(examples)) for name in NAMES}
    for row, example in enumerate(examples):
        found["empty"][row] = not example.prediction.strip()
        for name, check in CHECKS.items() if example.prediction.strip() else ():
            found[name][row] = check(example)
        without = leftovers.pattern().sub(" ", _raw(example))
        found["leftovers"][row] = without != _raw(example)
        found["repeated-ending"][row], found["loop"][row] = repetitions(" ".join(without.split()))
    return found


def findings(found: dict[str, Scores]) -> list[Findings]:
    """The labels of each example, from what :func:`find` gives."""
    names = list(found)
    table = np.stack(list(found.values()), axis=1)
    return [
        Findings(
            tuple(name for name, score in zip(names, row, strict=True) if score == 1) or (OK,),
            tuple(name for name, score in zip(names, row, strict=True) if np.isnan(score)),
        )
        for row in table
    ]


@plugins.register("faults")
@dataclass(frozen=True)
class Faults:
    """Shares of outputs with each fault, and of those without any that could be found, in percent.

    ``leftover_rate`` and ``empty_rate`` are the metric ``leftovers``'. ``wrong_language_rate``, ``truncated_rate`` and
    ``copied_rate`` are over the outputs of which it can be known; an empty output is not ``ok`` and counts 0 in the
    others.
    """

    identifier: str = SMALL
    """Language identification, for :func:`xlgen.metrics.lid.load`."""
    rule: ShortText = RULE
    """For short outputs; its languages are those that an output may switch to, too."""

    figures: ClassVar[tuple[Figure, ...]] = (
        Figure("ok_rate", best=100.0),
        Figure("wrong_language_rate", higher_is_better=False, best=0.0),
        Figure("code_switched_rate", higher_is_better=False, best=0.0),
        Figure("repeated_ending_rate", higher_is_better=False, best=0.0),
        Figure("loop_rate", higher_is_better=False, best=0.0),
        Figure("copied_rate", higher_is_better=False, best=0.0),
        Figure("truncated_rate", higher_is_better=False, best=0.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0, NaN where it cannot be known."""
        found = find(examples, self.identifier, self.rule)
        ok = np.array([each.labels == (OK,) for each in findings(found)], dtype=float)
        rates = {f"{name.replace('-', '_')}_rate": scores for name, scores in found.items()}
        return {figure.name: ok if figure.name == "ok_rate" else rates[figure.name] for figure in self.figures}

    def signature(self, language: str) -> str:
        """Identification, and the rules for short text, copies and switches."""
        copies = f"copy:{_COPY_ORDER}-grams,{_COPY_SHARE:g}"
        switch = f"switch:script+words,{PRICE:g}"
        return f"lid:{load(self.identifier).name}|{self.rule.name}|{copies}|{switch}|regex:{regex.__version__}"


def _raw(example: Example) -> str:
    return example.prediction if example.raw_prediction is None else example.raw_prediction
