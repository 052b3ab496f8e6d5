"""Generate in every language, clean up, score, and write predictions down."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import gather_object

from xlgen.adaptation.base import Method
from xlgen.backbones.base import Backbone
from xlgen.config import Evaluation
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task
from xlgen.generation.cleanup import clean
from xlgen.generation.control import Decoder, LanguageControl, Request, build_control
from xlgen.generation.decoding import Decoding
from xlgen.metrics.base import Example
from xlgen.metrics.score import Row, score
from xlgen.metrics.subset import subset
from xlgen.training.tracking import write_atomically

# Figures that every evaluation reports beside the task's own: they say whether the text is usable at all.
ALWAYS = ("correct_language_rate", "lid_confidence", "lengths", "empty_rate", "leftover_rate")


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
    texts: dict[int, tuple[str, int]] = {}
    decode = Decoder(backbone, decoding, task.data_dir, progress)
    for language in dict.fromkeys(example.language for example in examples):
        method.set_language(backbone, language)
        chosen = [i for i, example in enumerate(examples) if example.language == language]
        encoded = [backbone.encode_source(examples[i], task.config.max_source_tokens) for i in chosen]
        requests = [Request(ids, language) for ids, _ in encoded]
        found = control.generate(decode, requests) if control else [best[0].text for best in decode(requests)]
        texts.update({i: (text, cropped) for i, text, (_, cropped) in zip(chosen, found, encoded, strict=True)})
    return [texts[i] for i in range(len(examples))]


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
    rows: dict[str, list[dict[str, Any]]] = {}
    for language, whole in examples.items():
        mine = list(range(rank, len(whole), world))
        raw = predict(backbone, method, [whole[i] for i in mine], task, decoding, control, progress)
        found = list(zip(mine, raw, strict=True))
        if accelerator is not None and world > 1:
            found = gather_object(found)
        by_index = dict(found)
        rows[language] = [_row(whole[i], *by_index[i], backbone) for i in range(len(whole))]
    return rows


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
