"""Agreement of metrics with people: Pearson's correlation with human judgements of summaries, by language.

As in Vu et al. (2022), Appendix B and Table 9, on Multi_SummEval (Koto et al. 2021). *Focus* judges how much of a
prediction is in the reference (precision), *coverage* how much of the reference is in the prediction (recall).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xlgen.core.registry import InputError
from xlgen.metrics.base import Example, Metric, MetricSpec, Scores
from xlgen.metrics.rouge_counts import Counting
from xlgen.metrics.score import choose

JUDGEMENTS = ("focus", "coverage")
AVERAGE = "average"


@dataclass(frozen=True)
class Judged:
    """A prediction, its reference, and human judgements of it on any scale."""

    language: str
    prediction: str
    reference: str
    focus: float
    coverage: float


@dataclass(frozen=True)
class Correlation:
    """Pearson's r between one score and one judgement."""

    metric: str
    """The name of a score, possibly with ``.precision`` or ``.recall``."""
    judgement: str
    language: str
    """A language, or ``average``: the unweighted mean over languages."""
    value: float | None
    """In [-1, 1]; None if the score or the judgement is constant."""
    n: int
    """Number of examples; for the average, number of languages."""
    signature: str


def read(path: Path) -> list[Judged]:
    """Read the rows of ``multi_summeval.jsonl``: ``lang``, ``pred``, ``gold``, ``focus``, ``coverage``.

    Raises:
        InputError: if the file cannot be read, or a line is not such a row.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise InputError(f"cannot read judgements from {path}: {error}") from error
    return [_judged(line, f"{path}, line {number}") for number, line in enumerate(lines, start=1)]


def _judged(line: str, place: str) -> Judged:
    try:
        row = json.loads(line)
        return Judged(row["lang"], row["pred"], row["gold"], float(row["focus"]), float(row["coverage"]))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{place} is not a judged summary ({type(error).__name__}: {error});"
            " it needs lang, pred, gold, focus and coverage"
        ) from error


def correlations(judged: Sequence[Judged], metrics: Sequence[str | Metric]) -> list[Correlation]:
    """Pearson's r of every score with focus and coverage, for each language and on average.

    For ROUGE and SP-ROUGE, precision and recall are correlated too, because focus judges precision and coverage judges
    recall. Examples for which a score is not defined are left out.

    Args:
        judged: Judged predictions in any number of languages.
        metrics: Names of metrics or scores, or metrics with options, as for :func:`xlgen.metrics.score.score`.
    """
    rows = []
    for metric, specs in choose(metrics):
        specs = [spec for spec in specs if spec.of_sums is None]  # not defined for a single example
        by_language = {
            language: [each for each in judged if each.language == language]
            for language in sorted({each.language for each in judged})
        }
        scores = {language: _scores(metric, specs, group, language) for language, group in by_language.items()}
        for spec in specs:
            signatures = {language: f"{spec.name}|{metric.signature(language)}" for language in by_language}
            for name in (name for name in next(iter(scores.values()), {}) if name.partition(".")[0] == spec.name):
                for judgement in JUDGEMENTS:
                    rows += list(_rows(name, judgement, by_language, scores, signatures))
    return rows


def _scores(metric: Metric, specs: Sequence[MetricSpec], judged: Sequence[Judged], language: str) -> dict[str, Scores]:
    """One score per example for each metric value, and for its precision and recall if the metric has them."""
    predictions, references = [each.prediction for each in judged], [each.reference for each in judged]
    examples = [
        Example(language, prediction, (reference,))
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    found = metric.per_example(examples)
    scores = {spec.name: found[spec.name] for spec in specs}
    if isinstance(metric, Counting):
        counts = metric.counts(predictions, references, language)
        for spec in specs:
            scores[f"{spec.name}.precision"] = counts[spec.name].precision
            scores[f"{spec.name}.recall"] = counts[spec.name].recall
    return scores


def _rows(
    name: str,
    judgement: str,
    judged: Mapping[str, Sequence[Judged]],
    scores: Mapping[str, Mapping[str, Scores]],
    signatures: Mapping[str, str],
) -> Iterator[Correlation]:
    values = []
    for language, group in judged.items():
        people = np.array([getattr(each, judgement) for each in group])
        defined = ~np.isnan(scores[language][name])
        value = pearson(scores[language][name][defined], people[defined])
        yield Correlation(name, judgement, language, value, int(defined.sum()), signatures[language])
        values += [] if value is None else [value]
    mean = sum(values) / len(values) if values else None
    yield Correlation(name, judgement, AVERAGE, mean, len(values), "|".join(dict.fromkeys(signatures.values())))


def pearson(left: NDArray[np.float64], right: NDArray[np.float64]) -> float | None:
    """Pearson's correlation coefficient; None if either side is constant or has fewer than two values."""
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(left, right)[0, 1])


def table(rows: Sequence[Correlation]) -> str:
    """The layout of Table 9 of Vu et al. (2022) in Markdown: one row per score, the languages under each judgement."""
    languages = list(dict.fromkeys(row.language for row in rows))
    columns = [(judgement, language) for judgement in JUDGEMENTS for language in languages]
    values = {(row.metric, row.judgement, row.language): row.value for row in rows}
    heads = [f"{judgement} {'avg.' if language == AVERAGE else language.upper()}" for judgement, language in columns]
    lines = [["metric", *heads], ["---", *["---:"] * len(heads)]]
    for metric in dict.fromkeys(row.metric for row in rows):
        found = (values.get((metric, *column)) for column in columns)
        lines.append([metric, *("" if value is None else f"{value:.2f}" for value in found)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
