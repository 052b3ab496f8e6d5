"""``xlgen evaluate``: generate with a checkpoint, or predict labels, and score."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from xlgen.api.inference import evaluate as evaluate_model
from xlgen.cli.console import app, codes_of, err, out, say, show
from xlgen.cli.decoding_options import CONTROL, PRECISION, parse_control, warn_of_slow
from xlgen.core.progress import TerminalProgress
from xlgen.core.registry import InputError

_LID = "Language identifier: lid.176.ftz, lingua, lingua-low, cld3 or a fastText file. By default, the task's."


@app.command(epilog="Example: xlgen evaluate runs/squad --split test --languages fr,de")
def evaluate(
    checkpoint: Annotated[
        Path,
        typer.Argument(help="Folder of a run (its newest checkpoint) or of a checkpoint; or, with --task, a backbone."),
    ],
    task: Annotated[
        str | None, typer.Option(help="Evaluate on this task instead of the one that the model was trained on.")
    ] = None,
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated. By default, all languages of the task.")
    ] = None,
    split: Annotated[str, typer.Option(help="Split of the task's data.")] = "test",
    max_examples: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="Maximum number of inputs per language.")
    ] = None,
    num_beams: Annotated[int, typer.Option(min=1, max=256, help="Beam size; 1 is greedy search.")] = 1,
    data_dir: Annotated[str | None, typer.Option(help="Folder of the task's files.")] = None,
    control: Annotated[str | None, typer.Option(help=CONTROL)] = None,
    precision: Annotated[str, typer.Option(help=PRECISION)] = "fp32",
    cleanup: Annotated[
        str | None, typer.Option(help="leftovers, phrases or substrings. By default, as in the run's recipe.")
    ] = None,
    interpolate: Annotated[
        str,
        typer.Option(
            help="Evaluate interpolations of the pretrained and finetuned weights, given as shares of the finetuned "
            "weights: 0,0.25,0.5,0.75,1."
        ),
    ] = "1",
    lid: Annotated[str | None, typer.Option(help=_LID)] = None,
    metric_option: Annotated[
        list[str] | None, typer.Option(help="An option of a metric: rouge.use_stemmer=true, chrf.word_order=2.")
    ] = None,
    xlrs: Annotated[
        str | None,
        typer.Option(help="Also measure XLRS on these texts: YAML or a YAML file, as `evaluation.xlrs` of a recipe."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of the results. By default, evaluations/ in the run's folder.")
    ] = None,
) -> None:
    """Generate (or predict labels) with a checkpoint, or with a backbone without finetuning, and score the outputs."""
    from xlgen.core.yaml_config import yaml_setting
    from xlgen.scoring import parse_options

    warn_of_slow(precision)
    with TerminalProgress() as progress:
        found = evaluate_model(
            checkpoint,
            task=task,
            languages=codes_of(languages),
            split=split,
            max_examples=max_examples,
            num_beams=num_beams,
            data_dir=data_dir,
            control=parse_control(control),
            precision=precision,
            cleanup=cleanup,
            interpolate=_shares(interpolate),
            lid=lid,
            metric_options=parse_options(metric_option or ()),
            xlrs=yaml_setting(xlrs, "--xlrs") if xlrs else None,
            out=folder,
            progress=progress,
            say=say,
        )
    table = Table("method", "language", "metric", "value", "95 % interval", "n")
    for row in found.metrics:
        value = "-" if row["value"] is None else f"{row['value']:.1f}"
        interval = "" if row["low"] is None else f"{row['low']:.1f} … {row['high']:.1f}"
        table.add_row(row["method"], row["language"], row["metric"], value, interval, str(row["n"]))
    show(table)
    if found.empty_inputs:
        counts = ", ".join(f"{language} {count}" for language, count in found.empty_inputs.items())
        err.print(f"empty inputs: {counts}; their outputs are empty too", highlight=False, soft_wrap=True)
    out.print(f"predictions and summary  {found.folder}", highlight=False, soft_wrap=True)


def _shares(text: str) -> list[float]:
    """Parse comma-separated numbers."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--interpolate takes comma-separated numbers from 0 to 1, not {text!r}") from None
