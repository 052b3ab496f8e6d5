"""Scoring of examples: the value of each metric with a bootstrap interval, the number of examples and a signature."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from xlgen.core.languages import Language
from xlgen.core.version import VERSION
from xlgen.metrics.base import Example, Metric, MetricSpec, Scores, SumsMetric, is_defined
from xlgen.metrics.bootstrap import interval
from xlgen.metrics.bounds import check_bounds
from xlgen.metrics.options import MetricChoice, build_metric, implied_options, owner_of, parse_spec
from xlgen.metrics.subset import Subset

ALWAYS = (
    *("correct_language_rate", "lid_confidence", "lengths", "empty_rate", "leftover_rate"),
    "reference_language_rate",
)
"""Metrics that every evaluation of texts reports in addition to the task's own, to check that outputs are usable."""


@dataclass(frozen=True)
class Row:
    """One value of one language: the part of a row that does not depend on the task."""

    language: str
    metric: str
    value: float | None
    """None if no example has a defined score."""
    low: float | None
    high: float | None
    """The 95 % interval; None without bootstrap."""
    n: int
    """Number of examples with a defined score."""
    signature: str


def score(
    examples: Sequence[Example],
    metrics: Sequence[MetricChoice],
    language: str,
    bootstrap: int = 1000,
    seed: int = 0,
    subset: Subset | None = None,
    identifier: str | None = None,
) -> list[Row]:
    """Score the examples of one language; rates and scores are in percent.

    Args:
        examples: Examples in ``language``. Their order affects neither values nor intervals.
        metrics: Names of metrics (``rouge``: all its values), of single values (``rougeL``), or either with options
            (``{"name": "rouge", "use_stemmer": True}``, ``Rouge(use_stemmer=True)``).
        language: In any spelling that ``Language.parse`` knows; the rows have its canonical code.
        bootstrap: Number of resamples for the intervals; 0 for no intervals.
        seed: Resampling seed.
        subset: Score only the examples that it keeps.
        identifier: The language identifier of metrics given by name. If None, each metric's default.

    Raises:
        UnknownNameError: for an unknown metric or language.
        ValueError: for an example in another language.
    """
    code = Language.parse(language).code
    _check_language(examples, code)
    if subset:
        examples = [example for example, kept in zip(examples, subset.keep(examples), strict=True) if kept]
    rows = []
    for metric, figures in choose(metrics, identifier):
        scores = metric.per_example(examples)
        for figure in figures:
            sign = signature(metric, figure, [code], bootstrap, seed, subset, scores[figure.name])
            rows.append(summarize(scores[figure.name], figure, code, sign, bootstrap, seed))
    return rows


def summarize(scores: Scores, figure: MetricSpec, language: str, signature: str, bootstrap: int, seed: int) -> Row:
    """One value with its interval, from the scores of its examples; NaN are left out."""
    defined = scores[is_defined(scores)]
    defined = figure.units(defined) if figure.units else defined
    low, high = interval(defined, bootstrap, seed, figure.scale, figure.corpus, figure.of_sums)
    value = figure.of(defined) if len(defined) else None
    return Row(language, figure.name, value, low, high, len(defined), signature)


def choose(metrics: Iterable[MetricChoice], identifier: str | None = None) -> Iterator[tuple[Metric, list[MetricSpec]]]:
    """Yield each requested metric once, with its requested values.

    Args:
        metrics: As for :func:`score`.
        identifier: The language identifier of metrics given by name. If None, each metric's default.

    Raises:
        UnknownNameError: for a name that is neither a metric's nor one of its values', or an unknown option.
        InputError: for an invalid value of an option.
    """
    wanted: dict[Metric, dict[str, MetricSpec]] = {}
    for asked in metrics:
        if isinstance(asked, str | Mapping):
            name, options = parse_spec(asked)
            metric = build_metric(owner_of(name), {**implied_options(name), **options}, identifier)
            figures = [figure for figure in metric.figures if name in (figure.name, owner_of(name))]
        else:
            metric, figures = asked, list(asked.figures)
            check_bounds(metric, f"metric {type(metric).__name__}")
        wanted.setdefault(metric, {}).update({figure.name: _bound(figure, metric) for figure in figures})
    for metric, chosen in wanted.items():
        yield metric, list(chosen.values())


def _bound(figure: MetricSpec, metric: Metric) -> MetricSpec:
    """The spec with ``of_sums`` bound to the options of ``metric``."""
    if figure.of_sums is None or not isinstance(metric, SumsMetric):
        return figure
    return replace(figure, of_sums=partial(metric.of_sums, figure.name))


def with_standing(metrics: Iterable[MetricChoice], standing: Iterable[str]) -> list[MetricChoice]:
    """``metrics``, and the ``standing`` values that they do not already report, whatever their options.

    Raises as :func:`choose`.
    """
    metrics = list(metrics)
    given = {figure.name for _, figures in choose(metrics) for figure in figures}
    return metrics + [figure.name for _, figures in choose(standing) for figure in figures if figure.name not in given]


def check_metrics(metrics: Iterable[MetricChoice], languages: Iterable[str], identifier: str | None = None) -> None:
    """Raise InputError if a metric lacks a package, a tokenizer or a language identifier.

    Call this before anything is generated.
    """
    languages = list(languages)
    for metric, _ in choose(metrics, identifier):
        for language in languages:
            metric.signature(language)


def signature(
    metric: Metric,
    figure: MetricSpec,
    languages: Sequence[str],
    bootstrap: int = 0,
    seed: int = 0,
    subset: Subset | None = None,
    scores: Scores | None = None,
) -> str:
    """The signature of a value: everything that affects it, in the style of sacreBLEU.

    An example is ``rougeL|tok:unicode-words|stem:no|bs:1000|seed:0|xlgen:0.1.0``, where ``bs`` and ``seed`` are those
    of the interval. For several languages, parts that differ are joined: ``tok:unicode-chars+unicode-words``.
    sacreBLEU's scores have sacreBLEU's own signature, which takes the number of references from ``scores``.
    """
    if scores is not None and isinstance(metric, SumsMetric):
        signatures = [metric.figure_signature(figure.name, language, scores) for language in languages]
    else:
        signatures = [metric.signature(language) for language in languages]
    parts = [figure.name, *_together(signatures)]
    parts += [f"subset:{subset.name}"] if subset else []
    parts += [f"bs:{bootstrap}", f"seed:{seed}"] if bootstrap else []
    return "|".join([*filter(None, parts), f"xlgen:{VERSION}"])


def _together(signatures: Sequence[str]) -> list[str]:
    """The distinct parts of several signatures of one metric."""
    found: dict[str, dict[str, None]] = {}
    for part in (part for sign in signatures for part in sign.split("|")):
        key, colon, value = part.partition(":")
        found.setdefault(key + colon, {})[value] = None
    return [key + "+".join(sorted(values)) for key, values in found.items()]


def _check_language(examples: Sequence[Example], code: str) -> None:
    for spelling in {example.language for example in examples}:
        if (other := Language.parse(spelling).code) != code:
            raise ValueError(f"an example is in {other!r}, but all must be in {code!r}; score each language separately")
