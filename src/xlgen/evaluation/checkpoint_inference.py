"""Inference with a checkpoint: evaluation on a task, and predictions for a file of inputs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from xlgen.adaptation import checkpoints as store
from xlgen.backbones.heads import head_of
from xlgen.core.arguments import argument
from xlgen.core.config import Evaluation, Sampling, validate
from xlgen.core.json_types import JsonObject
from xlgen.core.languages import Language
from xlgen.core.outputs import check_no_run
from xlgen.core.progress import NoProgress, Progress
from xlgen.core.registry import InputError
from xlgen.core.untrusted import file_name
from xlgen.data.examples import LabelledExample, Record
from xlgen.data.markup import plain
from xlgen.data.readers import DataError
from xlgen.data.readers.files import parse_object
from xlgen.data.tasks import Task, load_task
from xlgen.data.templates import FIELD
from xlgen.evaluation.checks import check_scoring
from xlgen.evaluation.coverage import Coverage, warn
from xlgen.evaluation.evaluate import evaluation_examples
from xlgen.evaluation.evaluation_folder import evaluation_folder, settings_of
from xlgen.evaluation.head_inference import check_evaluation, check_head
from xlgen.evaluation.interpolation import check_shares, interpolated
from xlgen.evaluation.prediction_files import STANDARD, check_apart, open_lines, open_output
from xlgen.evaluation.predictor import predictor_of
from xlgen.evaluation.scored import Scored
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import find_checkpoint


def evaluate_checkpoint(
    path: Path,
    evaluation: Evaluation,
    task_name: str | None = None,
    data_dir: str | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
    shares: Sequence[float] = (1.0,),
) -> tuple[list[JsonObject], Path]:
    """Predict and score; write predictions and ``summary.json``; return the rows and the folder. Raises InputError.

    Each of the ``shares`` of the finetuned weights is evaluated; shares other than 1, which interpolate between the
    pretrained and the finetuned model, are named in the ``method`` of their rows.
    """
    check_shares(shares)
    checkpoint = find_checkpoint(path)
    about = read_about(checkpoint)
    if "cleanup" not in evaluation.model_fields_set:
        evaluation = evaluation.model_copy(update={"cleanup": about.cleanup})
    named = load_task(task_name, Path(data_dir or about.data_dir)) if task_name else None
    task = named or store.task_of(checkpoint, data_dir)
    if task is None:
        raise InputError(f"{checkpoint} was not trained on a task; name one with {argument('task')}")
    check_head(str(checkpoint), head_of(about.head), task)
    check_scoring(task, evaluation)
    examples = evaluation_examples(task, evaluation)
    settings = settings_of(checkpoint, task, evaluation, shares)
    name = file_name(task.config.name, evaluation.split, f"step-{about.step}")
    with evaluation_folder(out, path, name, evaluation, settings) as folder:
        bar = (progress or NoProgress()).task("evaluating", len(shares) * sum(map(len, examples.values())), 0)
        scored = Scored(task, evaluation, about.source_languages, about.allow_unknown, folder)
        for share, backbone, method in interpolated(checkpoint, shares, tuple(examples)):
            label = "" if share == 1 else f" x {share:g}"
            method_name = f"{about.adaptation['name']}{label}"
            about_row = {"backbone": about.backbone, "method": method_name, "step": about.step}
            scored.add(backbone, method, examples, about_row, bar)
        return scored.write()


def predict_file(
    path: Path,
    language: str,
    source: str,
    target: str,
    beams: int = 1,
    control: JsonObject | str | None = None,
    sampling: Sampling | None = None,
    precision: str = "fp32",
    say: Callable[[str], None] = lambda text: None,
) -> int:
    """Generate text or predict labels for each row of a JSONL file, in order; return the number of rows.

    A row has the fields of the task's input template, or ``input`` with the whole text (for tagging, the list of
    words). Each output is written at once, to ``TARGET.part``, which replaces ``target`` at the end. The output for an
    empty input is empty, and ``say`` receives the number of such inputs. Raises DataError with file and line for a bad
    row, after the rows before it are written.
    """
    code = Language.parse(language).code
    checkpoint = find_checkpoint(path)
    about = read_about(checkpoint)
    task = store.task_of(checkpoint)
    if task is None:
        raise InputError(f"{checkpoint} was not trained on a task")
    check_head(str(checkpoint), head_of(about.head), task)
    check_apart(target, source)
    if target != STANDARD:
        check_no_run(Path(target), argument("output"))
    settings = {
        "cleanup": about.cleanup,
        "num_beams": beams,
        "control": control,
        "sampling": sampling,
        "precision": precision,
    }
    evaluation = validate(Evaluation, settings, "an option")
    check_evaluation(task, evaluation)
    count, empty, coverage = 0, 0, Coverage()
    with open_lines(source) as lines, ExitStack() as opened:
        backbone, method, _ = store.load_checkpoint(checkpoint, (code,), precision)
        predictor = predictor_of(backbone, method, task, evaluation)
        written = opened.enter_context(open_output(target))
        examples = (example_of_input(record, number, code, task) for number, record in _rows(lines, source))
        for example, prediction in predictor.stream(examples):
            row: JsonObject = {"id": example.id, "language": code, "prediction": task.with_newlines(prediction.text)}
            if example.is_empty:
                row["empty_input"] = True
            unknown = sum(coverage.add(each, backbone) for each in example.texts)
            whole = list(example.words) or task.with_newlines(example.shown)
            more = {"input": whole, "cropped_tokens": prediction.cropped, "unknown_tokens": unknown}
            written.write(json.dumps({**row, **more}, ensure_ascii=False) + "\n")
            written.flush()
            count += 1
            empty += example.is_empty
    warn({code: coverage}, backbone.name, "the inputs")
    if empty:
        say(f"{empty} inputs are empty; their outputs are empty too")
    return count


def example_of_input(record: Record, number: int, language: str, task: Task) -> LabelledExample:
    """The example of an input without labels: the fields of the task's template, or ``input`` with the whole text (for
    tagging, the list of words). Raises DataError if a field is missing or has the wrong type."""
    whole = record.fields.get("input")
    if task.config.kind == "tagging":
        if isinstance(whole, str):
            raise DataError(f'{record.where}: tagging needs a list of words: {{"input": ["This", ...]}}')
        if isinstance(whole, list):
            words = FIELD.findall(task.config.source)[0][0]
            record = Record({**record.fields, words: whole}, record.where)
    elif isinstance(whole, str) and task.config.source_pair is None:
        text = plain(task.on_one_line(Record({"input": whole}, record.where)).fields["input"])
        return task.shortened(LabelledExample(task.id_of(record, number), language, text, (), record.where))
    elif "input" in record.fields and "input" not in dict(FIELD.findall(task.config.source)):
        raise DataError(f"{record.where}: input must be text, not {json.dumps(whole, ensure_ascii=False)[:60]}")
    return task.example(record, language, number, labelled=False)


def _rows(lines: Iterator[tuple[int, str]], name: str) -> Iterator[tuple[int, Record]]:
    file = "standard input" if name == STANDARD else name
    full = ((number, line) for number, line in lines if line.strip())
    for row, (number, line) in enumerate(full):
        where = f"{file}, line {number}"
        yield row, Record(parse_object(line, where), where)
