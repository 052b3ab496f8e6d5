"""Predict in every language, score, and write the predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice

from accelerate import Accelerator
from accelerate.utils import gather_object

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.core.config import Evaluation
from xlgen.core.languages import Language
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.evaluation.head_inference import check_evaluation
from xlgen.evaluation.prediction import Prediction, prediction_row
from xlgen.evaluation.predictor import predictor_of
from xlgen.metrics.confidence_of import PREFIX
from xlgen.metrics.options import MetricChoice, MetricOptions, with_options
from xlgen.metrics.score import ALWAYS, Row, with_standing
from xlgen.metrics.xlrs import Xlrs
from xlgen.representations.xlrs import EncoderStateCollector, similarities
from xlgen.scoring.predictions import PredictionRow, score_predictions


def evaluation_examples(
    task: Task, evaluation: Evaluation, sources: Sequence[str] = ()
) -> dict[str, list[LabelledExample]]:
    """The examples of an evaluation, by language; ``sources`` are the languages whose references may be read.

    Raises InputError for settings that do not suit the task.
    """
    check_evaluation(task, evaluation)
    languages = task.check_languages(evaluation.languages) if evaluation.languages else task.languages
    labelled = languages if evaluation.references == "all" else task.check_languages(tuple(sources))
    return {code: task.examples(code, evaluation.split, evaluation.examples, code in labelled) for code in languages}


def evaluate(
    backbone: Backbone,
    method: Method,
    task: Task,
    evaluation: Evaluation,
    examples: dict[str, list[LabelledExample]],
    accelerator: Accelerator | None = None,
    progress: Callable[[int], None] = lambda count: None,
    source_language: str | None = None,
) -> dict[str, list[PredictionRow]]:
    """Predictions by language, as rows ``{id, language, input, cropped_tokens, prediction, raw, references}``.

    For a task with parallel inputs, ``similarity`` compares the encoder states of each input with those of the input
    with the same id in ``source_language`` (``xlgen.representations.xlrs``; by default English, if evaluated).
    With several processes, each predicts for its share of the examples, and every process gets all rows. A row with an
    empty input has ``empty_input`` and an empty output.
    """
    predictor = predictor_of(backbone, method, task, evaluation)
    rank, world = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    whole = [example for found in examples.values() for example in found]
    mine = list(range(rank, len(whole), world))
    pivot = "en" if source_language is None else source_language
    collects = task.config.parallel and pivot in examples and evaluation.xlrs is None
    collector = EncoderStateCollector() if collects else None
    pairs = list(zip(mine, predictor.predict([whole[i] for i in mine], progress, collector), strict=True))
    if accelerator is not None and world > 1:
        pairs = gather_object(pairs)
    results = [result for _, result in sorted(pairs, key=lambda pair: pair[0])]
    similar = _similarities(whole, results, pivot)
    done = iter(
        [
            prediction_row(example, result, backbone, task, near)
            for example, result, near in zip(whole, results, similar, strict=True)
        ]
    )
    return {language: list(islice(done, len(given))) for language, given in examples.items()}


def _similarities(
    examples: Sequence[LabelledExample], results: Sequence[Prediction], pivot: str
) -> Iterator[float | None]:
    """The cosine of each input's states and those of the input with the same id in the language ``pivot``."""
    pairs = list(zip(examples, results, strict=True))
    of_pivot = {example.id: result.states for example, result in pairs if example.language == pivot}
    for example, result in pairs:
        other = of_pivot.get(example.id) if example.language != pivot else None
        if result.states is None or other is None:
            yield None
        else:
            yield round(float(similarities(result.states[None], other[None])), 6)


def empty_inputs(rows: Iterable[PredictionRow]) -> int:
    """The number of rows of :func:`evaluate` with an empty input."""
    return sum(row.get("empty_input", False) for row in rows)


def metrics_of(task: Task, options: MetricOptions | None = None, sources: Iterable[str] = ()) -> list[MetricChoice]:
    """The metrics of a task and, for tasks without labels, of every evaluation.

    The latter include the confidence of identification in each language of ``sources``.
    """
    standing = (*ALWAYS, *(f"{PREFIX}{code}" for code in sources))
    return with_options(with_standing(task.config.metrics, () if task.config.head else standing), options or {})


def score_rows(
    rows: Sequence[PredictionRow],
    task: Task,
    language: str,
    bootstrap: int,
    lid: str | None = None,
    options: MetricOptions | None = None,
    sources: Iterable[str] = (),
    split: str = "",
) -> list[Row]:
    """The scores of :func:`metrics_of` for the predictions of one language.

    Args:
        rows: The predictions.
        task: Their task.
        language: Their language.
        bootstrap: Number of resamples of an interval.
        lid: The language identifier; if None, the task's.
        options: Options of metrics, which override those in the task's file.
        sources: The source languages; the confidence that outputs in other languages are in each of them is scored.
        split: The part of the task's data, for the signature of XLRS.
    """
    similar = sum("similarity" in row for row in rows)
    xlrs = Xlrs(
        f"texts:inputs of {task.config.name}|split:{split}|sentences:{similar}|cut:{task.config.max_source_tokens}"
    )
    others = [code for code in map(_code, sources) if code != _code(language)]
    metrics = metrics_of(task, options, others)
    metrics += [xlrs] if similar and "xlrs" not in metrics else []
    return score_predictions(rows, metrics, language, bootstrap, task.config.subset, task.identifier(lid))


def _code(language: str) -> str:
    return Language.parse(language).code
