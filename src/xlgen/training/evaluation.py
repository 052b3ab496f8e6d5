"""Generate in every language, clean up, score, and write predictions down."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.config import Evaluation
from xlgen.data.examples import EncodedExample, LabelledExample
from xlgen.data.tasks import Task
from xlgen.generation.cleanup import clean
from xlgen.generation.control import Decoder, LanguageControl, Request, build_control
from xlgen.generation.decode import stream
from xlgen.generation.decoding import Decoding
from xlgen.generation.inputs import Deferred
from xlgen.metrics.base import Example
from xlgen.metrics.score import Row, score
from xlgen.metrics.subset import subset
from xlgen.training.tracking import write_atomically

# Figures that every evaluation reports beside the task's own: they say whether the text is usable at all.
ALWAYS = ("correct_language_rate", "lid_confidence", "lengths", "empty_rate", "leftover_rate")
# Inputs that a language control has at a time.
_GROUP = 256


def evaluation_examples(task: Task, evaluation: Evaluation) -> dict[str, list[LabelledExample]]:
    """The examples to generate for, by language."""
    languages = task.check_languages(evaluation.languages) if evaluation.languages else task.languages
    return {code: task.examples(code, evaluation.split, evaluation.examples) for code in languages}


def decoding_of(task: Task, evaluation: Evaluation) -> Decoding:
    """The decoding settings of a task's evaluation."""
    return Decoding(
        max_new_tokens=evaluation.max_new_tokens or task.config.max_target_tokens,
        num_beams=evaluation.num_beams,
        length_penalty=evaluation.length_penalty,
        batch_tokens=evaluation.batch_tokens,
        precision=evaluation.precision,
        sampling=evaluation.sampling,
    )


def control_of(evaluation: Evaluation) -> LanguageControl | None:
    """The language control of an evaluation. Raises InputError for a wrong name or option."""
    return build_control(evaluation.control) if evaluation.control else None


def predict(
    backbone: Backbone,
    method: Method,
    examples: Sequence[LabelledExample],
    task: Task,
    decoding: Decoding,
    control: LanguageControl | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> list[tuple[str, int]]:
    """(raw generated text, tokens cropped from the input) for examples of any languages, in order."""
    decode = Decoder(backbone, decoding, task.data_dir, progress)
    backbone.learn(example.source for example in examples)
    encoded = [backbone.encode_source(example, task.config.max_source_tokens) for example in examples]
    texts: dict[int, str] = {}
    for language, chosen in _together(method, examples):
        method.set_language(backbone, language)
        requests = [Request(encoded[i][0], examples[i].language) for i in chosen]
        found = control.generate(decode, requests) if control else [best[0].text for best in decode(requests)]
        texts.update(zip(chosen, found, strict=True))
    return [(texts[i], cropped) for i, (_, cropped) in enumerate(encoded)]


def predict_stream(
    backbone: Backbone,
    method: Method,
    examples: Iterable[LabelledExample],
    task: Task,
    decoding: Decoding,
    control: LanguageControl | None = None,
) -> Iterator[tuple[LabelledExample, str, int]]:
    """:func:`predict` for inputs of one language that need not fit in memory: (example, raw text, cropped tokens).

    An exception of ``examples`` is raised behind the results of all that came before it.
    """
    read: deque[tuple[LabelledExample, int]] = deque()

    def encoded() -> Iterator[EncodedExample]:
        for example in examples:
            source, cropped = backbone.encode_source(example, task.config.max_source_tokens)
            read.append((example, cropped))
            yield EncodedExample(source, (0,), example.language)

    asked = Deferred(encoded())
    first = next(iter(asked), None)
    if first is None:
        return asked.finish()
    method.set_language(backbone, first.language)
    whole = chain([first], asked)
    texts = (
        (best[0].text for best in stream(backbone, whole, decoding))
        if control is None
        else _in_groups(whole, control, Decoder(backbone, decoding, task.data_dir))
    )
    for text in texts:
        example, cropped = read.popleft()
        yield example, text, cropped
    asked.finish()


def _in_groups(examples: Iterator[EncodedExample], control: LanguageControl, decode: Decoder) -> Iterator[str]:
    """A control looks at outputs before it asks for more."""
    while group := [Request(each.source, each.language) for each in islice(examples, _GROUP)]:
        yield from control.generate(decode, group)


def _together(method: Method, examples: Sequence[LabelledExample]) -> list[tuple[str, list[int]]]:
    """(a language to set, which examples): all in one stream, unless the method differs by language."""
    languages = list(dict.fromkeys(example.language for example in examples))
    if type(method).set_language is Method.set_language:
        return [(languages[0], list(range(len(examples))))] if examples else []
    return [(code, [i for i, example in enumerate(examples) if example.language == code]) for code in languages]


def evaluate(
    backbone: Backbone,
    method: Method,
    task: Task,
    evaluation: Evaluation,
    examples: dict[str, list[LabelledExample]],
    accelerator: Accelerator | None = None,
    progress: Callable[[int], None] = lambda count: None,
) -> dict[str, list[dict[str, Any]]]:
    """Predictions by language, as rows ``{id, language, input, cropped_tokens, prediction, raw, references}``.

    On several processes each generates for its share; every process gets all rows.
    """
    decoding, control = decoding_of(task, evaluation), control_of(evaluation)
    rank, world = (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    whole = [example for found in examples.values() for example in found]
    mine = list(range(rank, len(whole), world))
    raw = predict(backbone, method, [whole[i] for i in mine], task, decoding, control, progress)
    pairs = list(zip(mine, raw, strict=True))
    if accelerator is not None and world > 1:
        pairs = gather_object(pairs)
    done = iter([_row(whole[i], *result, backbone) for i, result in sorted(pairs)])
    return {language: list(islice(done, len(found))) for language, found in examples.items()}


def _row(example: LabelledExample, raw: str, cropped: int, backbone: Backbone) -> dict[str, Any]:
    return {
        "id": example.id,
        "language": example.language,
        "input": example.source,
        "cropped_tokens": cropped,
        "prediction": clean(raw, backbone.leftover_pattern),
        "raw": raw,
        "references": list(example.targets),
    }


def score_rows(rows: Sequence[dict[str, Any]], task: Task, language: str, bootstrap: int) -> list[Row]:
    """The task's metrics and the standing ones for the predictions of one language."""
    examples = [
        Example(language, row["prediction"], tuple(row["references"]), row["input"], row["raw"]) for row in rows
    ]
    names = tuple(dict.fromkeys((*task.config.metrics, *ALWAYS)))
    chosen = subset(task.config.subset) if task.config.subset else None
    return score(examples, names, language, bootstrap=bootstrap, subset=chosen)


def write_predictions(folder: Path, rows: dict[str, list[dict[str, Any]]]) -> None:
    """One JSONL file a language."""
    folder.mkdir(parents=True, exist_ok=True)
    for language, found in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in found)
        write_atomically(folder / f"{language}.jsonl", text)
