"""What is wrong with each output: one set of labels a prediction, and the rate of each fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import regex

from xlgen.languages import Language
from xlgen.metrics import leftovers
from xlgen.metrics.base import Example, Figure, Scores, plugins
from xlgen.metrics.lid import SMALL, load
from xlgen.metrics.repeats import repetitions, split_units
from xlgen.metrics.scripts import UNSPACED, letters_of

OK = "ok"
UNKNOWN = float("nan")

# A prediction is a copy if so large a share of its n-grams is in the input; shorter ones may well be names.
_COPY_ORDER, _COPY_SHARE, _SHORTEST_COPY = 5, 0.9, 15
# Words of another script in a row that make a switch; a character of a script without spaces is half a word.
_FOREIGN_WORDS = 2

_ENDS = regex.compile(r"[\p{Sentence_Terminal}…][\p{Pe}\p{Pf}\p{Po}\"'\s]*$")
_WORD = regex.compile(rf"[\p{{L}}&&[{UNSPACED}]]\p{{M}}*+|[\p{{L}}--[{UNSPACED}]][\p{{L}}\p{{M}}'’]*+", regex.V1)
_CHARACTER = regex.compile(rf"[{UNSPACED}]", regex.V1)


@dataclass(frozen=True)
class Findings:
    """The faults of one prediction."""

    labels: tuple[str, ...]
    """Of :data:`NAMES`, or ``ok`` alone where no fault was found."""
    unknown: tuple[str, ...]
    """Faults that could not be checked: ``truncated`` where nothing tells, ``copied`` without an input."""


def wrong_language(found: str, target: str) -> float:
    """Whether ``found``, the language on top of identification, is another than ``target``, its code of the target."""
    return float(found != target) if target else UNKNOWN


def code_switched(example: Example) -> float:
    """Whether, amid letters of the target's script, there are two words or four characters of another in a row.

    Words with a capital letter are passed over as names. Another language in the same script is not seen.
    """
    script = Language.parse(example.language).script
    own, foreign = _script(script)
    if not foreign.search(example.prediction) or not own.search(example.prediction):
        return 0.0
    run = 0.0
    for word in _WORD.findall(example.prediction):
        if not foreign.match(word):
            run = 0.0
        elif not word[0].isupper():
            run += 0.5 if _CHARACTER.match(word) else 1.0
        if run >= _FOREIGN_WORDS:
            return 1.0
    return 0.0


@cache
def _script(script: str) -> tuple[regex.Pattern[str], regex.Pattern[str]]:
    """One letter of the script, and one letter of any other."""
    own = letters_of(script)
    foreign = rf"[\p{{L}}--[{own}\p{{scx=Zyyy}}\p{{scx=Zinh}}]]"
    return regex.compile(rf"[\p{{L}}&&[{own}]]", regex.V1), regex.compile(foreign, regex.V1)


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
    "code-switched": code_switched,
    "copied": copied,
    "truncated": truncated,
}
"""Faults that one example tells by itself. 1 is yes, 0 no, NaN unknown."""
NAMES = ("empty", "wrong-language", *CHECKS, "leftovers", "repeated-ending", "loop")
"""All faults."""


def find(examples: Sequence[Example], identifier: str = SMALL) -> dict[str, Scores]:
    """Every fault of every example: 1 where it has it, 0 where not, NaN where that cannot be known.

    ``leftovers``, ``repeated-ending`` and ``loop`` look at the output before clean-up, where it is known; an empty
    prediction may have these, and no other fault but that it is empty.
    """
    full = [row for row, example in enumerate(examples) if example.prediction.strip()]
    found = {name: np.zeros(len(examples)) for name in NAMES}
    found["empty"][:] = 1.0
    found["empty"][full] = 0.0
    identifies = load(identifier)
    labels = identifies.identify([examples[row].prediction for row in full])
    for row, (label, _) in zip(full, labels, strict=True):
        target = identifies.code(Language.parse(examples[row].language))
        found["wrong-language"][row] = wrong_language(label, target)
        for name, check in CHECKS.items():
            found[name][row] = check(examples[row])
    for row, example in enumerate(examples):
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

    ``leftover_rate`` and ``empty_rate`` are the metric ``leftovers``'. ``truncated_rate`` and ``copied_rate`` are over
    the outputs of which it can be known; an empty output is not ``ok`` and counts 0 in the others.
    """

    identifier: str = SMALL
    """Language identification, for :func:`xlgen.metrics.lid.load`."""

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
        found = find(examples, self.identifier)
        ok = np.array([each.labels == (OK,) for each in findings(found)], dtype=float)
        rates = {f"{name.replace('-', '_')}_rate": scores for name, scores in found.items()}
        return {figure.name: ok if figure.name == "ok_rate" else rates[figure.name] for figure in self.figures}

    def signature(self, language: str) -> str:
        """Identification, and the rules for copies and switches."""
        copies = f"copy:{_COPY_ORDER}-grams,{_COPY_SHARE:g}"
        return f"lid:{load(self.identifier).name}|{copies}|switch:script|regex:{regex.__version__}"


def _raw(example: Example) -> str:
    return example.prediction if example.raw_prediction is None else example.raw_prediction
