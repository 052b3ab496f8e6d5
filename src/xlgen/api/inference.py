"""Evaluation, prediction and export of trained models."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.arguments import codes_of
from xlgen.api.rows import Rows
from xlgen.api.training import Run, folder_of
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping
from xlgen.core.progress import Progress
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from xlgen.core.config import Evaluation, Sampling
    from xlgen.evaluation.export.run import Parity

Say = Callable[[str], None]


def evaluate(
    model: str | Path | Run,
    *,
    task: str | None = None,
    languages: Sequence[str] = (),
    split: str = "test",
    max_examples: int | None = None,
    num_beams: int = 1,
    data_dir: str | Path | None = None,
    control: str | JsonMapping | None = None,
    precision: str = "fp32",
    cleanup: str | None = None,
    interpolate: Sequence[float] = (1.0,),
    lid: str | None = None,
    metric_options: Mapping[str, JsonMapping] | None = None,
    xlrs: JsonMapping | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    say: Say = lambda text: None,
) -> Evaluated:
    """Generate with a checkpoint, or predict labels, and score.

    Args:
        model: A run (its newest checkpoint), a checkpoint or, with ``task``, a backbone without finetuning.
        task: The task, if not the one that the model was trained on.
        languages: Languages to evaluate; by default all of the task.
        split: Split of the task's data.
        max_examples: Maximum number of inputs of each language.
        num_beams: Beam size; 1 is greedy search.
        data_dir: Folder of the task's files.
        control: Language control, a name or a mapping with its options.
        precision: Precision of the weights, ``fp32`` or ``bf16``.
        cleanup: ``leftovers``, ``phrases`` or ``substrings``; by default as in the run's recipe.
        interpolate: Shares of the finetuned weights in interpolations with the pretrained ones; each is evaluated.
        lid: Language identifier; by default the task's.
        metric_options: Options of metrics, ``{"rouge": {"use_stemmer": True}}``.
        xlrs: Texts to measure XLRS on, as ``evaluation.xlrs`` of a recipe.
        out: Folder of the results; by default ``evaluations/`` in the run's folder.
        progress: Display of the progress. By default, none.
        say: Called with each progress message.

    Raises:
        InputError: if a setting is wrong or ``model`` is not a model.
    """
    require("train", "evaluation")
    from xlgen.core.config import Evaluation, validate

    settings = {
        "split": split,
        "examples": max_examples,
        "num_beams": num_beams,
        "languages": codes_of(languages),
        "control": control,
        "precision": precision,
        "lid": lid,
        "metric_options": metric_options or {},
        **({"cleanup": cleanup} if cleanup else {}),
        **({"xlrs": xlrs} if xlrs else {}),
    }
    config: Evaluation = validate(Evaluation, settings, "an option")
    path, place = folder_of(model), None if out is None else Path(out)
    data = None if data_dir is None else str(data_dir)
    # Imported after the options are checked, because importing PyTorch takes seconds.
    from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
    from xlgen.evaluation.scored import check_model, evaluate_backbone, is_backbone

    check_model(path)
    say(f"reading inputs, and {path}")
    if is_backbone(path):
        if list(interpolate) != [1.0]:
            raise InputError(
                f"{argument('interpolate')} is between pretrained and finetuned weights; a backbone has no others"
            )
        rows, folder = evaluate_backbone(str(path), config, task, data, place, progress)
    else:
        rows, folder = evaluate_checkpoint(path, config, task, data, place, progress, interpolate)
    return Evaluated(Rows(rows), folder)


@dataclass(frozen=True)
class Evaluated:
    """The results of an evaluation."""

    metrics: Rows
    folder: Path
    """Folder of the predictions and of ``summary.json``."""

    @property
    def empty_inputs(self) -> Mapping[str, int]:
        """The number of empty inputs by language, for languages that have some. Their outputs are empty too."""
        from xlgen.runs.evaluations import read_empty_inputs

        return read_empty_inputs(self.folder)


def predict(
    model: str | Path | Run,
    input: str | Path,
    output: str | Path,
    *,
    language: str,
    num_beams: int = 1,
    control: str | JsonMapping | None = None,
    precision: str = "fp32",
    sampling: JsonMapping | None = None,
    say: Say = lambda text: None,
) -> int:
    """Generate text, or predict labels, for each row of a JSONL file, and return the number of rows.

    For texts in memory use ``xlgen.load`` and ``Model.generate``.

    Args:
        model: A run (its newest checkpoint) or a checkpoint.
        input: A JSONL file with the fields of the task's template, or ``{"input": text}``; ``-`` is standard input.
        output: A JSONL file, which replaces an existing one at the end; ``-`` is standard output.
        language: The language of inputs and outputs.
        num_beams: Beam size; 1 is greedy search.
        control: Language control, a name or a mapping with its options.
        precision: Precision of the weights, ``fp32`` or ``bf16``.
        sampling: Sample ``num_beams`` outputs and write the most probable one: ``{"temperature": 0.8, "top_p":
            0.95}``.
        say: Called with each progress message.

    Raises:
        InputError: if a setting or a row is wrong; the outputs of the rows before it stay in ``OUTPUT.part``.
    """
    require("train", "prediction")
    from xlgen.core.config import Sampling, validate

    draw: Sampling | None = (
        validate(Sampling, sampling, argument("sampling", "sample")) if sampling is not None else None
    )
    chosen = dict(control) if isinstance(control, Mapping) else control
    from xlgen.evaluation.checkpoint_inference import predict_file

    path = folder_of(model)
    say(f"reading {path}")
    return predict_file(path, language, str(input), str(output), num_beams, chosen, draw, precision, say)


def export(
    model: str | Path | Run,
    to: str,
    out: str | Path,
    *,
    quantization: str | None = None,
    max_examples: int = 8,
) -> Parity:
    """Write a model for another library, and compare its outputs with those of the checkpoint.

    Args:
        model: A run (its newest checkpoint) or a checkpoint.
        to: The format (``xlgen list formats``).
        out: A new or empty folder.
        quantization: With ``ctranslate2``: ``int8``, ``int16``, ``float16`` and others.
        max_examples: Number of validation inputs of each language to compare outputs on.

    Raises:
        InputError: if the format does not support the model's method, or ``out`` is not empty. Nothing is then
            written to ``out``.
    """
    require("train", "an export")
    from xlgen.evaluation.export.run import export as write

    return write(folder_of(model), to, Path(out), quantization, max_examples)
