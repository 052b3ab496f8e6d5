"""How well metrics agree with people: Pearson's correlation with judgements of summaries, language by language.

Vu et al. 2022, appendix B and Table 9, on Multi_SummEval (Koto et al. 2021): *focus* says how much of a prediction is
in the reference (precision), *coverage* how much of the reference is in the prediction (recall).
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
    """A prediction beside its reference, and what people say of it; any scale."""

    language: str
    prediction: str
    reference: str
    focus: float
    coverage: float


@dataclass(frozen=True)
class Correlation:
    """Pearson's r between one figure and one judgement."""

    metric: str
    """A figure, or its ``.precision`` or ``.recall``."""
    judgement: str
    language: str
    """Or ``average``: the mean of the languages, each counting alike."""
    value: float | None
    """In [-1, 1]; None where the figure or the judgement is the same for all examples."""
    n: int
    """Examples, or languages of the average."""
    signature: str


def read(path: Path) -> list[Judged]:
    """Rows of ``multi_summeval.jsonl``: ``lang``, ``pred``, ``gold``, ``focus``, ``coverage``.

    Raises:
        InputError: for a file that is not there, or a line that is not such a row.
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
            f"{place} is no judged summary ({type(error).__name__}: {error});"
            " it needs lang, pred, gold, focus and coverage"
        ) from error


def correlations(judged: Sequence[Judged], metrics: Sequence[str | Metric]) -> list[Correlation]:
    """Pearson's r of every figure with focus and coverage, for each language and on average.

    Of ROUGE and SP-ROUGE precision and recall are correlated too, since focus is a judgement of precision and coverage
    one of recall. Examples for which a figure is not defined are left out.

    Args:
        judged: In any number of languages.
        metrics: Names of metrics or figures, or metrics with options, as :func:`xlgen.metrics.score.score` takes them.
    """
    rows = []
    for metric, figures in choose(metrics):
        figures = [figure for figure in figures if figure.of_sums is None]  # an example alone has none
        by_language = {
            language: [each for each in judged if each.language == language]
            for language in sorted({each.language for each in judged})
        }
        scores = {language: _scores(metric, figures, group, language) for language, group in by_language.items()}
        for figure in figures:
            signatures = {language: f"{figure.name}|{metric.signature(language)}" for language in by_language}
            for name in (name for name in next(iter(scores.values()), {}) if name.partition(".")[0] == figure.name):
                for judgement in JUDGEMENTS:
                    rows += list(_rows(name, judgement, by_language, scores, signatures))
    return rows


def _scores(
    metric: Metric, figures: Sequence[MetricSpec], judged: Sequence[Judged], language: str
) -> dict[str, Scores]:
    """One score an example for each figure, and for its precision and recall where the metric tells them."""
    predictions, references = [each.prediction for each in judged], [each.reference for each in judged]
    examples = [
        Example(language, prediction, (reference,))
        for prediction, reference in zip(predictions, references, strict=True)
    ]
    found = metric.per_example(examples)
    scores = {figure.name: found[figure.name] for figure in figures}
    if isinstance(metric, Counting):
        counts = metric.counts(predictions, references, language)
        for figure in figures:
            scores[f"{figure.name}.precision"] = counts[figure.name].precision
            scores[f"{figure.name}.recall"] = counts[figure.name].recall
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
    """Pearson's correlation coefficient; None where one side does not vary or holds less than two numbers."""
    if len(left) < 2 or np.ptp(left) == 0 or np.ptp(right) == 0:
        return None
    return float(np.corrcoef(left, right)[0, 1])


def table(rows: Sequence[Correlation]) -> str:
    """The layout of Table 9 in Markdown: one line a figure, its languages under focus and then under coverage."""
    languages = list(dict.fromkeys(row.language for row in rows))
    columns = [(judgement, language) for judgement in JUDGEMENTS for language in languages]
    values = {(row.metric, row.judgement, row.language): row.value for row in rows}
    heads = [f"{judgement} {'avg.' if language == AVERAGE else language.upper()}" for judgement, language in columns]
    lines = [["metric", *heads], ["---", *["---:"] * len(heads)]]
    for metric in dict.fromkeys(row.metric for row in rows):
        found = (values.get((metric, *column)) for column in columns)
        lines.append([metric, *("" if value is None else f"{value:.2f}" for value in found)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
