"""Sample predictions for each language, with those in the wrong language marked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from xlgen.core.languages import Language, UnknownLanguageError, language_name
from xlgen.core.registry import InputError
from xlgen.metrics.base import Example
from xlgen.metrics.faults import UNKNOWN, Findings, find, label_rows, without_identification
from xlgen.metrics.lid import SMALL, LanguageIdentifier, load_identifier
from xlgen.metrics.script_spans import Span
from xlgen.metrics.switches import switches
from xlgen.report.tables import LANGUAGE_RATE
from xlgen.runs.evaluations import prediction_file
from xlgen.runs.paths import RunPaths
from xlgen.runs.records import read_predictions
from xlgen.runs.rows import MEAN, Results
from xlgen.runs.runs import Run
from xlgen.scoring.predictions import PredictionRow

PER_LANGUAGE, _LEAST = 20, 5
"""The most predictions per language and run, and the fewest, however many runs there are."""
PER_PAGE = 1_500
"""Approximate limit of predictions per page; with many languages, each has fewer."""
_RUNS = 6
FAULTS = {
    "wrong-language": "wrong language",
    "empty": "empty",
    "code-switched": "mixed with another language",
    "wrong-script": "in another script",
    "copied": "copied from the input",
    "leftovers": "leftovers of pretraining",
    "repeated-ending": "repeated ending",
    "loop": "loop",
}
"""The faults that are marked: their names in ``xlgen.metrics.faults`` and on the page."""
_LONGEST_INPUT, _LONGEST_OUTPUT = 400, 1_200


@dataclass(frozen=True)
class Sample:
    """One prediction."""

    id: str
    input: str
    prediction: str
    references: tuple[str, ...]
    verdict: str
    """``right``, ``wrong``, ``empty``, or ``unknown`` if the language could not be identified."""
    identified: str
    """The identified language and its probability."""
    spans: tuple[Span, ...] = ()
    """The parts of the prediction that are in another language or script than the target."""
    faults: tuple[str, ...] = ()
    """Keys of :data:`FAULTS`."""
    raw: str = ""
    """The output before clean-up, if clean-up changed it."""

    @property
    def pieces(self) -> Iterator[tuple[str, bool]]:
        """The prediction split into parts, each with a flag that is true if it is in another language."""
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
        """The number of predictions shown that are not in the language."""
        return sum(sample.verdict in ("wrong", "empty") for sample in self.samples)


@dataclass(frozen=True)
class RunSamples:
    """The predictions shown of one run."""

    run: Run
    why: str
    """Why this run is shown."""
    languages: tuple[LanguageSamples, ...]


def choose_samples(results: Results, budget: int = PER_PAGE) -> list[RunSamples]:
    """Predictions of the best run, of the one with the lowest correct-language rate, and of each method's best run.

    At most six different runs are shown, with about ``budget`` predictions in total.
    """
    chosen: dict[str, tuple[Run, str]] = {}
    for run, why in _worth_reading(results):
        if run and len(chosen) < _RUNS:
            chosen.setdefault(run.name, (run, why))
    cells = sum(len(results.languages([run])) for run, _ in chosen.values())
    limit = max(_LEAST, min(PER_LANGUAGE, budget // max(1, cells)))
    shown = [RunSamples(run, why, _of_run(results, run, limit)) for run, why in chosen.values()]
    return [samples for samples in shown if samples.languages]


def _worth_reading(results: Results) -> Iterator[tuple[Run | None, str]]:
    yield best_run(results), "the best run in the languages without labels"
    yield worst_run(results), "the run with the lowest correct-language rate"
    for method in dict.fromkeys(run.method for run in results.runs if run.learning_rate is not None):
        runs = tuple(run for run in results.runs if run.method == method)
        yield best_run(replace(results, runs=runs)), f"the best run of {method}"


def best_run(results: Results) -> Run | None:
    """The trained run with the highest main metric over the languages without labels, else the best in its source.

    Supervised upper bounds, which have labels in more languages than the other runs, do not count.
    """

    def zero_shot(run: Run) -> float | None:
        if set(run.source_languages) != set(results.sources) or run.learning_rate is None:
            return None
        return results.value(run, MEAN, run.main_metric)

    return _first(results, zero_shot, -1) or _first(results, lambda run: results.source_value(run, run.main_metric), -1)


def worst_run(results: Results) -> Run | None:
    """The run with the lowest mean correct-language rate over the other languages."""
    return _first(results, lambda run: results.value(run, MEAN, LANGUAGE_RATE), 1)


def identifier(run: Run) -> LanguageIdentifier | None:
    """The language identifier of a run's evaluation, or the default one if that is not installed."""
    for name in ((run.stage.get("evaluation") or {}).get("lid"), SMALL):
        try:
            return load_identifier(str(name or SMALL))
        except InputError:
            continue
    return None


def _first(results: Results, score: Callable[[Run], float | None], sign: int) -> Run | None:
    values = [(run, score(run)) for run in results.runs]
    defined = [(sign * value, i, run) for i, (run, value) in enumerate(values) if value is not None]
    return min(defined)[2] if defined else None


def _of_run(results: Results, run: Run, limit: int) -> tuple[LanguageSamples, ...]:
    identifies = identifier(run)
    folder = RunPaths(run.folder).predictions_at(run.last_step)
    found = []
    for code in results.languages([run]):
        rows = read_predictions(prediction_file(folder, code))
        if rows:
            found.append(_of_language(code, rows, identifies, limit))
    return tuple(found)


def _of_language(
    code: str, rows: list[PredictionRow], identifies: LanguageIdentifier | None, limit: int = PER_LANGUAGE
) -> LanguageSamples:
    try:
        language: Language | None = Language.parse(code)
    except UnknownLanguageError:
        language = None
    count = min(limit, len(rows))
    chosen = [rows[i * len(rows) // count] for i in range(count)]
    examples = [_example(code, row) for row in chosen]
    texts = [example.prediction for example in examples]
    labels = identifies.identify(texts) if identifies else [("", 0.0)] * count
    if identifies and language:
        known = bool(identifies.code(language))
        spans = [
            switches(_short(text, _LONGEST_OUTPUT), code, identifier=identifies) if known else [] for text in texts
        ]
        faults = label_rows(find(examples, identifies))
    else:
        spans, faults = [[] for _ in texts], label_rows(without_identification(examples))
    samples = tuple(
        _sample(
            example, str(row.get("id", "")), _verdict(example.prediction, found, label[0]), label, away, found.labels
        )
        for example, row, label, away, found in zip(examples, chosen, labels, spans, faults, strict=True)
    )
    direction = language.direction if language else "auto"
    return LanguageSamples(code, language_name(code), direction, samples, len(rows))


def _example(code: str, row: PredictionRow) -> Example:
    raw = row.get("raw")
    return Example(
        language=code,
        prediction=str(row.get("prediction") or ""),
        references=tuple(map(str, row.get("references") or ())),
        input=None if row.get("input") is None else str(row["input"]),
        raw_prediction=None if raw is None else str(raw),
    )


def _verdict(text: str, found: Findings, label: str) -> str:
    if not text.strip():
        return "empty"
    if not label or UNKNOWN in found.labels:
        return "unknown"
    return "wrong" if "wrong-language" in found.labels else "right"


def _sample(
    example: Example, name: str, verdict: str, found: tuple[str, float], spans: Sequence[Span], faults: Sequence[str]
) -> Sample:
    label, probability = found
    away = tuple(spans) if verdict == "right" else ()
    # Spans are marked only if the output as a whole is in the right language.
    here = {*faults} - {"code-switched"} | ({"code-switched"} if away else set())
    raw = example.raw_prediction or ""
    return Sample(
        id=name,
        input=_short(example.input or "", _LONGEST_INPUT),
        prediction=_short(example.prediction, _LONGEST_OUTPUT),
        references=tuple(_short(reference, _LONGEST_OUTPUT) for reference in example.references),
        verdict=verdict,
        identified=f"{language_name(label)} {100 * probability:.0f} %" if label and verdict != "empty" else "",
        spans=away,
        faults=tuple(fault for fault in FAULTS if fault in here),
        raw=_short(raw, _LONGEST_OUTPUT) if raw.strip() != example.prediction.strip() else "",
    )


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
