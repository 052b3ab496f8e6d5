"""Faults of outputs: a set of labels for each prediction, and the rate of each fault."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import regex

from xlgen.metrics import leftovers
from xlgen.metrics.base import Example, MetricSpec, Scores, metrics
from xlgen.metrics.copies import COPY_ORDER, COPY_SHARE, copied
from xlgen.metrics.endings import truncated
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load_identifier
from xlgen.metrics.repeats import repetitions
from xlgen.metrics.short_text import RULE, ShortText, equals_reference, is_quoted, verdicts
from xlgen.metrics.switches import PRICE, switches
from xlgen.metrics.wrong_script import in_wrong_script

OK = "ok"
UNKNOWN = "unknown"
"""The label of an output whose language cannot be determined. Such an output is never ``ok``."""


@dataclass(frozen=True)
class Findings:
    """The faults of one prediction."""

    labels: tuple[str, ...]
    """Entries of :data:`NAMES`, then ``unknown`` if the language cannot be determined; ``ok`` if there are none."""
    unknown: tuple[str, ...]
    """Faults that could not be checked, such as ``copied`` without an input."""


CHECKS: dict[str, Callable[[Example], float]] = {
    "copied": copied,
    "truncated": truncated,
}
"""Faults that need only the example itself. The checks return 1 for yes, 0 for no, NaN for unknown."""
OF_LANGUAGE = ("wrong-language", "code-switched", "wrong-script")
"""Faults that need language identification."""
NAMES = ("empty", *OF_LANGUAGE, *CHECKS, "leftovers", "repeated-ending", "loop")
"""All faults."""


def find(
    examples: Sequence[Example], identifier: str | LanguageIdentifier = SMALL, rule: ShortText = RULE
) -> dict[str, Scores]:
    """Check every example for every fault: 1 if it has the fault, 0 if not, NaN if unknown.

    - ``wrong-language`` follows the evidence of identification (:mod:`xlgen.metrics.evidence`), or ``rule`` for a short
      output (:mod:`xlgen.metrics.short_text`). It is NaN if the language cannot be determined.
    - ``code-switched`` is an output with a span in another script or in another language of the rule
      (:mod:`xlgen.metrics.switches`), unless the whole output is in the wrong language.
    - ``wrong-script`` is an output with less than half of its letters in the target's script, unless it is clearly in
      another language (:mod:`xlgen.metrics.wrong_script`).
    - ``leftovers``, ``repeated-ending`` and ``loop`` are checked in the output before clean-up, if known. An empty
      prediction can have these, but no other fault than ``empty``.
    """
    found = _of_text(examples)
    # Leftovers of pretraining are in no language.
    full = [row for row, example in enumerate(examples) if _without_leftovers(example.prediction).strip()]
    identifies = load_identifier(identifier) if isinstance(identifier, str) else identifier
    found["wrong-language"][full] = 1 - np.array(verdicts([examples[row] for row in full], identifies, rule))
    for row in full:
        example, wrong = examples[row], bool(found["wrong-language"][row] == 1)
        if equals_reference(example) or is_quoted(example, identifies):
            continue
        found["wrong-script"][row] = in_wrong_script(example, rule.others, identifies, wrong)
        if not wrong:
            found["code-switched"][row] = bool(switches(example.prediction, example.language, rule.others, identifies))
    return found


def without_identification(examples: Sequence[Example]) -> dict[str, Scores]:
    """The faults of :func:`find` that do not depend on the language of an output."""
    return {name: scores for name, scores in _of_text(examples).items() if name not in OF_LANGUAGE}


def _of_text(examples: Sequence[Example]) -> dict[str, Scores]:
    """All faults, with those of language still zero."""
    found = {name: np.zeros(len(examples)) for name in NAMES}
    for row, example in enumerate(examples):
        blank = not example.prediction.strip()
        found["empty"][row] = blank
        for name, check in () if blank else CHECKS.items():
            found[name][row] = check(example)
        without = _without_leftovers(_raw(example))
        found["leftovers"][row] = leftovers.left_over(example)
        found["repeated-ending"][row], found["loop"][row] = repetitions(" ".join(without.split()))
    return found


def _without_leftovers(text: str) -> str:
    return leftovers.pattern().sub(" ", text)


def label_rows(found: dict[str, Scores]) -> list[Findings]:
    """The labels of each example, from the result of :func:`find`."""
    names = list(found)
    return [_labelled(dict(zip(names, row, strict=True))) for row in np.stack(list(found.values()), axis=1)]


def _labelled(scores: dict[str, float]) -> Findings:
    unknown = tuple(name for name, score in scores.items() if np.isnan(score))
    labels = [name for name, score in scores.items() if score == 1]
    labels += [UNKNOWN] if "wrong-language" in unknown else []
    return Findings(tuple(labels) or (OK,), unknown)


@metrics.register("faults")
@dataclass(frozen=True)
class Faults:
    """Shares of outputs with each fault (``*_rate``) and without any (``ok_rate``), in percent.

    ``leftover_rate`` and ``empty_rate`` are reported by the metric ``leftovers``. ``wrong_language_rate``,
    ``truncated_rate`` and ``copied_rate`` are over the outputs for which the fault is known. An empty output is not
    ``ok`` and counts 0 in the other rates. ``unknown_rate`` is the share of outputs whose language cannot be
    determined: none of them is ``ok``.

    ``reference_wrong_language_rate`` and ``reference_unknown_rate`` are the same rates for the first reference of each
    example, judged as if it were an output. Correct outputs would have about these rates.
    """

    identifier: str = SMALL
    """Language identifier: a name from ``xlgen list identifiers``, or the path of a fastText file."""
    rule: ShortText = RULE
    """Rule for short outputs; its languages are also those that code-switching is checked for."""

    figures: ClassVar[tuple[MetricSpec, ...]] = (
        MetricSpec("ok_rate", best=100.0),
        MetricSpec("wrong_language_rate", higher_is_better=False, best=0.0),
        MetricSpec("unknown_rate", higher_is_better=None),
        MetricSpec("reference_wrong_language_rate", higher_is_better=None),
        MetricSpec("reference_unknown_rate", higher_is_better=None),
        MetricSpec("wrong_script_rate", higher_is_better=False, best=0.0),
        MetricSpec("code_switched_rate", higher_is_better=False, best=0.0),
        MetricSpec("repeated_ending_rate", higher_is_better=False, best=0.0),
        MetricSpec("loop_rate", higher_is_better=False, best=0.0),
        MetricSpec("copied_rate", higher_is_better=False, best=0.0),
        MetricSpec("truncated_rate", higher_is_better=False, best=0.0),
    )

    def per_example(self, examples: Sequence[Example]) -> dict[str, Scores]:
        """1 or 0; NaN if unknown."""
        found = find(examples, self.identifier, self.rule)
        rates = {f"{name.replace('-', '_')}_rate": scores for name, scores in found.items()}
        rates["ok_rate"] = np.array([each.labels == (OK,) for each in label_rows(found)], dtype=float)
        rates["unknown_rate"] = np.isnan(found["wrong-language"]).astype(float)
        judged = of_references(examples, load_identifier(self.identifier), self.rule)
        rates["reference_wrong_language_rate"] = 1 - judged
        known = np.array([has_reference(example) for example in examples], dtype=bool)
        rates["reference_unknown_rate"] = np.where(known, np.isnan(judged), np.nan)
        return {figure.name: rates[figure.name] for figure in self.figures}

    def signature(self, language: str) -> str:
        """The identifier, and the rules for short text, copies and code-switching."""
        copies = f"copy:{COPY_ORDER}-grams,{COPY_SHARE:g}"
        switch = f"switch:script+words,{PRICE:g}"
        return (
            f"lid:{load_identifier(self.identifier).name}|{self.rule.name}|{copies}|{switch}|regex:{regex.__version__}"
        )


def has_reference(example: Example) -> bool:
    """Whether there is a reference that is not blank."""
    return bool(example.references) and bool(example.references[0].strip())


def of_references(examples: Sequence[Example], identifier: LanguageIdentifier, rule: ShortText) -> Scores:
    """The verdict on the first reference of each example as if it were an output; NaN without a reference."""
    found = np.full(len(examples), np.nan)
    known = [row for row, example in enumerate(examples) if has_reference(example)]
    outputs = [replace(examples[row], prediction=examples[row].references[0], references=()) for row in known]
    found[known] = verdicts(outputs, identifier, rule)
    return found


def _raw(example: Example) -> str:
    return example.prediction if example.raw_prediction is None else example.raw_prediction
