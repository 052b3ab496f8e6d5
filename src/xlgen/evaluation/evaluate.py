"""Generate in every language, clean up, score, and write predictions down."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.backbones.headed import EncoderClassifier
from xlgen.core.config import Cleanup, Evaluation
from xlgen.core.languages import Language
from xlgen.core.untrusted import safe_join
from xlgen.data.deferred import Deferred
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.markup import shown, tokens_in, without_tokens
from xlgen.data.tasks import Task
from xlgen.decoding.cleanup import clean
from xlgen.decoding.control import Decoder, LanguageControl, Request
from xlgen.decoding.decode import stream
from xlgen.decoding.settings import Decoding
from xlgen.evaluation.coverage import unknown_tokens
from xlgen.evaluation.head_inference import check_evaluation, predict_labels
from xlgen.metrics.confidence_of import PREFIX
from xlgen.metrics.options import MetricChoice, MetricOptions, with_options
from xlgen.metrics.score import ALWAYS, Row, with_standing
from xlgen.metrics.xlrs import Xlrs
from xlgen.representations.xlrs import EncoderStateCollector, similarities
from xlgen.runs.event_log import write_atomically
from xlgen.scoring.predictions import PredictionRow, score_predictions

# Inputs that a language control has at a time.
_GROUP = 256


def evaluation_examples(
    task: Task, evaluation: Evaluation, sources: Sequence[str] = ()
) -> dict[str, list[LabelledExample]]:
    """The examples to generate for, by language; ``sources`` are the languages that references may be read in.

    Raises InputError for settings that do not go with the task.
    """
    check_evaluation(task, evaluation)
    languages = task.check_languages(evaluation.languages) if evaluation.languages else task.languages
    labelled = languages if evaluation.references == "all" else task.check_languages(tuple(sources))
    return {code: task.examples(code, evaluation.split, evaluation.examples, code in labelled) for code in languages}


def decoding_of(task: Task, evaluation: Evaluation) -> Decoding:
    """The decoding settings of a task's evaluation."""
    return Decoding(
        max_new_tokens=evaluation.max_new_tokens or task.config.max_target_tokens,
        num_beams=evaluation.num_beams,
        length_penalty=evaluation.length_penalty,
        beam_search=evaluation.beam_search,
        batch_tokens=evaluation.batch_tokens,
        precision=evaluation.precision,
        sampling=evaluation.sampling,
    )


def control_of(evaluation: Evaluation) -> LanguageControl | None:
    """The language control of an evaluation. Raises InputError for a wrong name or option."""
    control: LanguageControl | None = evaluation.control.build() if evaluation.control else None
    return control


class Predicted(NamedTuple):
    """What became of one input."""

    raw: str
    """The output, in which special tokens are marked."""
    cropped: int
    """Tokens of the input that were cut off."""
    states: Tensor | None
    """The mean of the encoder's states, where that is asked for."""


def predict(
    backbone: Backbone,
    method: Method,
    examples: Sequence[LabelledExample],
    task: Task,
    decoding: Decoding,
    control: LanguageControl | None = None,
    progress: Callable[[int], None] = lambda count: None,
    seen: EncoderStateCollector | None = None,
) -> list[Predicted]:
    """What is generated for examples of any languages, in order; ``seen`` tells what inputs are to the encoder.

    The output for an empty input is empty.
    """
    full = [example for example in examples if not example.is_empty]
    if len(full) < len(examples):
        found = iter(predict(backbone, method, full, task, decoding, control, progress, seen))
        progress(len(examples) - len(full))
        return [Predicted("", 0, None) if example.is_empty else next(found) for example in examples]
    decode = Decoder(backbone, decoding, task.data_dir, progress, seen, task.outputs)
    backbone.cache_tokens(example.source for example in examples)
    encoded = [backbone.encode_source(example, task.config.max_source_tokens) for example in examples]
    texts: dict[int, str] = {}
    for language, chosen in method.together([example.language for example in examples]):
        method.set_language(backbone, language)
        requests = [Request(encoded[i][0], examples[i].language) for i in chosen]
        outputs = control.generate(decode, requests) if control else [best[0].text for best in decode(requests)]
        texts.update(zip(chosen, outputs, strict=True))
    return [
        Predicted(texts[i], cropped, seen.of.get((example.language, source)) if seen else None)
        for i, (example, (source, cropped)) in enumerate(zip(examples, encoded, strict=True))
    ]


def predict_stream(
    backbone: Backbone,
    method: Method,
    examples: Iterable[LabelledExample],
    task: Task,
    decoding: Decoding,
    control: LanguageControl | None = None,
) -> Iterator[tuple[LabelledExample, str, int]]:
    """:func:`predict` for inputs of one language that need not fit in memory: (example, raw text, cropped tokens).

    An exception of ``examples`` is raised behind the results of all that came before it. The output for an empty input
    is empty.
    """
    read: deque[tuple[LabelledExample, int]] = deque()

    def encoded() -> Iterator[EncodedExample]:
        for example in examples:
            if example.is_empty:
                read.append((example, 0))
                continue
            source, cropped = backbone.encode_source(example, task.config.max_source_tokens)
            read.append((example, cropped))
            yield EncodedExample(source, (0,), example.language)

    def empty() -> Iterator[tuple[LabelledExample, str, int]]:
        while read and read[0][0].is_empty:
            yield read.popleft()[0], "", 0

    asked = Deferred(encoded())
    first = next(iter(asked), None)
    if first is None:
        yield from empty()
        return asked.finish()
    method.set_language(backbone, first.language)
    whole = chain([first], asked)
    texts = (
        (best[0].text for best in stream(backbone, whole, decoding))
        if control is None
        else _in_groups(whole, control, Decoder(backbone, decoding, task.data_dir, outputs=task.outputs))
    )
    for text in texts:
        yield from empty()
        example, cropped = read.popleft()
        yield example, text, cropped
    yield from empty()
    asked.finish()


def _in_groups(examples: Iterator[EncodedExample], control: LanguageControl, decode: Decoder) -> Iterator[str]:
    """A control looks at outputs before it asks for more."""
    while group := [Request(each.source, each.language) for each in islice(examples, _GROUP)]:
        yield from control.generate(decode, group)


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
    With several processes each generates its share, and every process gets all rows. A row whose input is empty has
    ``empty_input`` and an empty output.
    """
    decoding, control = decoding_of(task, evaluation), control_of(evaluation)
    rank, world = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    whole = [example for found in examples.values() for example in found]
    mine = list(range(rank, len(whole), world))
    pivot = "en" if source_language is None else source_language
    seen = (
        EncoderStateCollector()
        if task.config.parallel and not task.config.head and pivot in examples and evaluation.xlrs is None
        else None
    )
    share = [whole[i] for i in mine]
    if isinstance(backbone, EncoderClassifier):
        backbone.cache_tokens(text for example in share for text in example.texts)
        labelled = predict_labels(backbone, method, share, task, evaluation, progress)
        found = [Predicted(text, cropped, None) for text, cropped in labelled]
    else:
        found = predict(backbone, method, share, task, decoding, control, progress, seen)
    pairs = list(zip(mine, found, strict=True))
    if accelerator is not None and world > 1:
        pairs = gather_object(pairs)
    results = [result for _, result in sorted(pairs, key=lambda pair: pair[0])]
    similar = _similarities(whole, results, pivot)
    done = iter(
        [
            _row(example, result, backbone, task, evaluation.cleanup, near)
            for example, result, near in zip(whole, results, similar, strict=True)
        ]
    )
    return {language: list(islice(done, len(given))) for language, given in examples.items()}


def _similarities(
    examples: Sequence[LabelledExample], results: Sequence[Predicted], pivot: str
) -> Iterator[float | None]:
    """The cosine of each input's states and those of the one with its id in the language ``pivot``."""
    pairs = list(zip(examples, results, strict=True))
    of_pivot = {example.id: result.states for example, result in pairs if example.language == pivot}
    for example, result in pairs:
        other = of_pivot.get(example.id) if example.language != pivot else None
        if result.states is None or other is None:
            yield None
        else:
            yield round(float(similarities(result.states[None], other[None])), 6)


def _row(
    example: LabelledExample,
    result: Predicted,
    backbone: Backbone,
    task: Task,
    cleanup: Cleanup,
    similarity: float | None,
) -> PredictionRow:
    # Clean-up would take tags that are alike for a text that repeats itself.
    prediction = result.raw if backbone.fresh_modules else clean(result.raw, backbone.leftover_pattern, cleanup)
    row: PredictionRow = {
        "id": example.id,
        "language": example.language,
        "input": task.with_newlines(example.shown),
    }
    if example.group:
        row["group"] = example.group
    row |= {"cropped_tokens": result.cropped, "unknown_tokens": unknown_tokens(example.texts, backbone)}
    if example.is_empty:
        row["empty_input"] = True
    # A label's sentinels (L, Table 10) are cleaned away from outputs, so they are none of its references'.
    references = [task.with_newlines(_reference(text, backbone)) for text in example.targets]
    row |= {"prediction": task.with_newlines(prediction), "raw": shown(result.raw), "references": references}
    if similarity is not None:
        row["similarity"] = similarity
    return row


def _reference(text: str, backbone: Backbone) -> str:
    """A label as outputs are compared with it; to a backbone without sentinels their names are text."""
    return " ".join(without_tokens(backbone.text.readable(text)).split()) if tokens_in(text) else text


def empty_inputs(rows: Iterable[PredictionRow]) -> int:
    """How many rows of :func:`evaluate` have an empty input."""
    return sum(row.get("empty_input", False) for row in rows)


def metrics_of(task: Task, options: MetricOptions | None = None, sources: Iterable[str] = ()) -> list[MetricChoice]:
    """The metrics of a task, and the standing ones: among them the confidence in each of the languages ``sources``."""
    standing = (*ALWAYS, *(f"{PREFIX}{code}" for code in sources))
    # Labels are in no language.
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
    """The task's metrics and the standing ones for the predictions of one language.

    ``lid`` is the language identifier; if None, the task's. ``options`` of metrics go over those in the task's file.
    ``sources`` are the source languages: the confidence that outputs in other languages are in each of them is scored.
    ``split`` of the task's data is named in the signature of XLRS.
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


def write_predictions(folder: Path, rows: dict[str, list[PredictionRow]]) -> None:
    """One JSONL file a language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, found in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        write_atomically(safe_join(folder, f"{language}.jsonl", "the language"), text)
