"""Commands that use what was trained: evaluate, predict, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from xlgen.api.inference import evaluate as evaluate_model
from xlgen.api.inference import export as write
from xlgen.api.inference import predict as predict_file
from xlgen.cli.console import app, codes_of, err, out, say, show, yaml_option
from xlgen.core.progress import TerminalProgress
from xlgen.core.registry import InputError

_CONTROL = "Language control while decoding: a name of `xlgen list controls`, or {name: rerank, candidates: 4}."
_LID = "Language identifier: lid.176.ftz, lingua, lingua-low, cld3 or a fastText file; default: the task's."
_PRECISION = "fp32 or bf16, which is faster where `xlgen doctor` says so and changes a few outputs."


def _control(text: str | None) -> Any:
    """The control of the command line: YAML."""
    from xlgen.core.yaml_config import parse_yaml

    found = parse_yaml(text, "--control") if text else None
    if found is not None and not isinstance(found, (str, dict)):
        raise InputError(f"--control must be a name, or a mapping with a name, not {text!r}")
    return found


def _warn_of_slow(precision: str) -> None:
    """Say what ``precision`` costs where this machine emulates it."""
    from xlgen.core.machine import slowdown

    if precision == "bf16" and (times := slowdown(precision)):
        err.print(f"--precision bf16: this machine multiplies {times:.0f} times slower in it than in fp32")


def _shares(text: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--interpolate takes numbers from 0 to 1, separated by commas, not {text!r}") from None


@app.command(epilog="Example: xlgen evaluate runs/squad --split test --languages fr,de")
def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A run's or a checkpoint's folder, or a backbone as it is, with --task."),
    ],
    task: Annotated[str | None, typer.Option(help="Another task than the one it was trained on.")] = None,
    languages: Annotated[str | None, typer.Option(help="Comma-separated; default: all of the task.")] = None,
    split: Annotated[str, typer.Option(help="Which part of the task's data.")] = "test",
    max_examples: Annotated[int | None, typer.Option(min=1, max=10**9, help="Maximum inputs per language.")] = None,
    num_beams: Annotated[int, typer.Option(min=1, max=256, help="Beam size; 1 is greedy.")] = 1,
    data_dir: Annotated[str | None, typer.Option(help="Where the task's files are.")] = None,
    control: Annotated[str | None, typer.Option(help=_CONTROL)] = None,
    precision: Annotated[str, typer.Option(help=_PRECISION)] = "fp32",
    cleanup: Annotated[
        str | None, typer.Option(help="leftovers, phrases or substrings; default: as in the run's recipe.")
    ] = None,
    interpolate: Annotated[
        str, typer.Option(help="Shares of the finetuned weights, the rest pretrained: 0,0.25,0.5,0.75,1.")
    ] = "1",
    lid: Annotated[str | None, typer.Option(help=_LID)] = None,
    metric_option: Annotated[
        list[str] | None, typer.Option(help="An option of a metric: rouge.use_stemmer=true, chrf.word_order=2.")
    ] = None,
    xlrs: Annotated[
        str | None, typer.Option(help="Also measure XLRS on these texts: YAML, inline or a file, as evaluation.xlrs.")
    ] = None,
    folder: Annotated[Path | None, typer.Option("--out", help="Default: evaluations/ in the run's folder.")] = None,
) -> None:
    """Generate with a checkpoint, or predict labels, and score; of a backbone name, with the model as it is."""
    from xlgen.scoring import parse_options

    _warn_of_slow(precision)
    with TerminalProgress() as progress:
        found = evaluate_model(
            checkpoint,
            task=task,
            languages=codes_of(languages),
            split=split,
            max_examples=max_examples,
            num_beams=num_beams,
            data_dir=data_dir,
            control=_control(control),
            precision=precision,
            cleanup=cleanup,
            interpolate=_shares(interpolate),
            lid=lid,
            metric_options=parse_options(metric_option or ()),
            xlrs=yaml_option(xlrs, "--xlrs") if xlrs else None,
            out=folder,
            progress=progress,
            say=say,
        )
    rows, written = found.metrics, found.folder
    table = Table("method", "language", "metric", "value", "95 % interval", "n")
    for row in rows:
        value = "-" if row["value"] is None else f"{row['value']:.1f}"
        interval = "" if row["low"] is None else f"{row['low']:.1f} … {row['high']:.1f}"
        table.add_row(row["method"], row["language"], row["metric"], value, interval, str(row["n"]))
    show(table)
    if empty := json.loads((written / "summary.json").read_text(encoding="utf-8")).get("empty_inputs"):
        counts = ", ".join(f"{language} {count}" for language, count in empty.items())
        err.print(f"empty inputs: {counts}; their outputs are empty too", highlight=False, soft_wrap=True)
    out.print(f"predictions and summary  {written}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen predict runs/squad --language fr --input in.jsonl --output out.jsonl")
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder (its newest checkpoint) or a checkpoint's.")],
    language: Annotated[str, typer.Option(help="Language of the inputs and the outputs.")],
    input: Annotated[
        str,
        typer.Option(
            help='JSONL with the task\'s fields, or {"input": text} (of tagging: a list of words); - is standard input.'
        ),
    ],
    output: Annotated[
        str, typer.Option(help="JSONL, which replaces an older file at the end; - is standard output.")
    ] = "-",
    num_beams: Annotated[int, typer.Option(min=1, max=256, help="Beam size; 1 is greedy.")] = 1,
    control: Annotated[str | None, typer.Option(help=_CONTROL)] = None,
    precision: Annotated[str, typer.Option(help=_PRECISION)] = "fp32",
    sample: Annotated[
        str | None, typer.Option(help="Draw --num-beams samples, write the best: {temperature: 0.8, top_p: 0.95}.")
    ] = None,
) -> None:
    """Generate for one's own inputs, or tell their labels."""
    from xlgen.core.yaml_config import parse_yaml

    _warn_of_slow(precision)
    sampling = parse_yaml(sample, "--sample") if sample else None
    count = predict_file(
        checkpoint,
        input,
        output,
        language=language,
        num_beams=num_beams,
        control=_control(control),
        precision=precision,
        sampling=sampling,
        say=say,
    )
    err.print(f"{count} predictions", highlight=False)


@app.command(epilog="Example: xlgen export runs/squad --to ctranslate2 --quantization int8 --out exported/squad")
def export(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder (its newest checkpoint) or a checkpoint's.")],
    to: Annotated[str, typer.Option(help="A name of `xlgen list formats`.")],
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    quantization: Annotated[str | None, typer.Option(help="With ctranslate2: int8, int16, float16 and others.")] = None,
    max_examples: Annotated[
        int, typer.Option(min=1, max=10**6, help="Validation inputs per language to compare outputs on.")
    ] = 8,
) -> None:
    """Weights for elsewhere, checked for equal outputs."""
    say(f"reading {checkpoint}, exporting and comparing outputs")
    found = write(checkpoint, to, folder, quantization=quantization, max_examples=max_examples)
    equal = f"{found.equal} of {found.asked} outputs are equal"
    if found.searched:
        beams = f"{found.equal_with_beams} of {found.asked} with 4 beams, scores within {found.score_difference:.1e}"
        equal = f"{equal} greedily, {beams}"
    equal = equal if found.asked else f"not compared: {found.unchecked}"
    out.print(f"exported  {folder}\nparity    {equal}", highlight=False, soft_wrap=True)
