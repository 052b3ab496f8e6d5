"""From examples to figures: one mean a figure, with a bootstrap interval, the number of examples and a signature."""

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
"""Figures that every evaluation of texts reports beside the task's own: whether the text is usable at all."""


@dataclass(frozen=True)
class Row:
    """One figure of one language: the part of a row that does not depend on the task."""

    language: str
    metric: str
    value: float | None
    """None when no example defines the figure."""
    low: float | None
    high: float | None
    """The 95 % interval; None without bootstrap."""
    n: int
    """How many examples define the figure."""
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
    """The figures of one language's examples: the mean of the per-example scores, rates and scores in percent.

    Args:
        examples: All in ``language``. Their order changes nothing, the intervals included.
        metrics: Names of metrics (``rouge``: all its figures), of single figures (``rougeL``), or either with options
            (``{"name": "rouge", "use_stemmer": True}``, ``Rouge(use_stemmer=True)``).
        language: In any spelling that ``Language.parse`` knows; the rows hold its canonical code.
        bootstrap: Number of resamples for the intervals; 0 leaves them out.
        seed: Of the resamples.
        subset: Only the examples that it keeps count, in every figure.
        identifier: The language identifier of metrics given by name, where it is not to be their default.

    Raises:
        UnknownNameError: for a metric or a language that does not exist.
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
    """One figure from the scores of its examples, of which NaN are left out."""
    defined = scores[is_defined(scores)]
    defined = figure.units(defined) if figure.units else defined
    low, high = interval(defined, bootstrap, seed, figure.scale, figure.corpus, figure.of_sums)
    value = figure.of(defined) if len(defined) else None
    return Row(language, figure.name, value, low, high, len(defined), signature)


def choose(metrics: Iterable[MetricChoice], identifier: str | None = None) -> Iterator[tuple[Metric, list[MetricSpec]]]:
    """Each metric that is asked for, once, with the figures wanted of it.

    Args:
        metrics: As for :func:`score`.
        identifier: For metrics given by name, language identification by another than their default.

    Raises:
        UnknownNameError: for a name that is neither a metric's nor a figure's, or an option that the metric lacks.
        InputError: for a value that an option cannot take.
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
    """The figure as the options of ``metric`` have it."""
    if figure.of_sums is None or not isinstance(metric, SumsMetric):
        return figure
    return replace(figure, of_sums=partial(metric.of_sums, figure.name))


def with_standing(metrics: Iterable[MetricChoice], standing: Iterable[str]) -> list[MetricChoice]:
    """``metrics``, and those of the ``standing`` figures that they do not give already, with other options or without.

    Raises as :func:`choose`.
    """
    metrics = list(metrics)
    given = {figure.name for _, figures in choose(metrics) for figure in figures}
    return metrics + [figure.name for _, figures in choose(standing) for figure in figures if figure.name not in given]


def check_metrics(metrics: Iterable[MetricChoice], languages: Iterable[str], identifier: str | None = None) -> None:
    """Find what a metric lacks before anything is generated: a package, a tokenizer, a language identifier.

    Raises InputError.
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
    """All that decides a figure, in the way of sacreBLEU.

    ``rougeL|tok:unicode-words|stem:no|bs:1000|seed:0|xlgen:0.1.0``, where ``bs`` and ``seed`` are the interval's. For
    several languages together, what differs between them is joined: ``tok:unicode-chars+unicode-words``. sacreBLEU's
    figures have its own signature, for which ``scores`` hold the number of references.
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
    """The parts of several signatures of one metric, each once."""
    found: dict[str, dict[str, None]] = {}
    for part in (part for sign in signatures for part in sign.split("|")):
        key, colon, value = part.partition(":")
        found.setdefault(key + colon, {})[value] = None
    return [key + "+".join(sorted(values)) for key, values in found.items()]


def _check_language(examples: Sequence[Example], code: str) -> None:
    for spelling in {example.language for example in examples}:
        if (other := Language.parse(spelling).code) != code:
            raise ValueError(f"an example is in {other!r} where all must be in {code!r}; score each language by itself")
