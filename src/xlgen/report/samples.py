"""Predictions to read: some of each language, with those in the wrong language marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from xlgen.languages import Language, UnknownLanguageError
from xlgen.metrics.lid import load
from xlgen.metrics.switches import Span, switches
from xlgen.registry import InputError
from xlgen.report.tables import LANGUAGE_RATE, language_name
from xlgen.results.files import read_lines
from xlgen.results.rows import MEAN, Results
from xlgen.results.runs import Run

Identify: TypeAlias = Callable[[Sequence[str]], list[tuple[str, float]]]
"""Texts to the code of the language each is in, and its probability."""

PER_LANGUAGE = 20
_LONGEST_INPUT, _LONGEST_OUTPUT = 400, 1_200


@dataclass(frozen=True)
class Sample:
    """One prediction."""

    id: str
    input: str
    prediction: str
    references: tuple[str, ...]
    verdict: str
    """``right``, ``wrong``, ``empty``, or ``unknown`` where nothing can be said."""
    identified: str
    """The language it was found to be in, with the probability."""
    spans: tuple[Span, ...] = ()
    """The parts of the prediction that are in another language or script than the target."""

    @property
    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The prediction in pieces, each with whether it is in another language."""
        done = 0
        for span in self.spans:
            yield self.prediction[done : span.start], False
            yield self.prediction[span.start : span.end], True
            done = span.end
        yield self.prediction[done:], False


@dataclass(frozen=True)
class LanguageSamples:
    """The predictions shown of one language."""

    code: str
    name: str
    direction: str
    samples: tuple[Sample, ...]
    total: int

    @property
    def wrong(self) -> int:
        """How many of those shown are not in the language."""
        return sum(sample.verdict in ("wrong", "empty") for sample in self.samples)


@dataclass(frozen=True)
class RunSamples:
    """The predictions shown of one run."""

    run: Run
    why: str
    """Why this run is shown."""
    languages: tuple[LanguageSamples, ...]


def choose_samples(results: Results) -> list[RunSamples]:
    """Predictions of the best run and of the one with the lowest correct-language rate, which may be the same run."""
    best, worst = best_run(results), worst_run(results)
    chosen: dict[str, tuple[Run, str]] = {}
    if best:
        chosen[best.name] = (best, "the best run in the languages without labels")
    if worst and worst.name not in chosen:
        chosen[worst.name] = (worst, "the run with the lowest rate of right language")
    identify = identifier()
    shown = [RunSamples(run, why, _of_run(results, run, identify)) for run, why in chosen.values()]
    return [samples for samples in shown if samples.languages]


def best_run(results: Results) -> Run | None:
    """The trained run with the highest main metric over the languages without labels, else the best in its source.

    A supervised bound, which has labels in more languages than the runs share, is no answer to what works without.
    """

    def zero_shot(run: Run) -> float | None:
        if set(run.source_languages) != set(results.sources) or run.learning_rate is None:
            return None
        return results.value(run, MEAN, run.main_metric)

    return _first(results, zero_shot, -1) or _first(results, lambda run: results.source_value(run, run.main_metric), -1)


def worst_run(results: Results) -> Run | None:
    """The run with the lowest mean correct-language rate over the other languages."""
    return _first(results, lambda run: results.value(run, MEAN, LANGUAGE_RATE), 1)


def identifier() -> Identify | None:
    """Language identification, None where it is not installed."""
    try:
        return load().identify
    except InputError:
        return None


def _first(results: Results, figure: Callable[[Run], float | None], sign: int) -> Run | None:
    values = [(run, figure(run)) for run in results.runs]
    defined = [(sign * value, i, run) for i, (run, value) in enumerate(values) if value is not None]
    return min(defined)[2] if defined else None


def _of_run(results: Results, run: Run, identify: Identify | None) -> tuple[LanguageSamples, ...]:
    folder = run.folder / "predictions" / f"step-{run.last_step}"
    found = []
    for code in results.languages([run]):
        rows = read_lines(folder / f"{code}.jsonl")
        if rows:
            found.append(_of_language(code, rows, identify))
    return tuple(found)


def _of_language(code: str, rows: list[dict[str, Any]], identify: Identify | None) -> LanguageSamples:
    try:
        language: Language | None = Language.parse(code)
    except UnknownLanguageError:
        language = None
    count = min(PER_LANGUAGE, len(rows))
    chosen = [rows[i * len(rows) // count] for i in range(count)]
    texts = [str(row.get("prediction") or "") for row in chosen]
    labels = identify(texts) if identify else [("", 0.0)] * count
    target = load().code(language) if identify and language else ""
    spans = [switches(_short(text, _LONGEST_OUTPUT), code) if target else [] for text in texts]
    samples = tuple(
        _sample(row, text, target, label, away)
        for row, text, label, away in zip(chosen, texts, labels, spans, strict=True)
    )
    direction = language.direction if language else "auto"
    return LanguageSamples(code, language_name(code), direction, samples, len(rows))


def _sample(
    row: dict[str, Any], text: str, target: str, found: tuple[str, float], spans: Sequence[Span] = ()
) -> Sample:
    label, probability = found
    if not text.strip():
        verdict, identified = "empty", ""
    else:
        verdict = "unknown" if not target or not label else "right" if label == target else "wrong"
        identified = f"{language_name(label)} {100 * probability:.0f} %" if label else ""
    references = tuple(_short(str(reference), _LONGEST_OUTPUT) for reference in row.get("references") or ())
    return Sample(
        id=str(row.get("id", "")),
        input=_short(str(row.get("input") or ""), _LONGEST_INPUT),
        prediction=_short(text, _LONGEST_OUTPUT),
        references=references,
        verdict=verdict,
        identified=identified,
        spans=tuple(spans) if verdict == "right" else (),
    )


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
