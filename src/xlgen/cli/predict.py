"""``xlgen predict``: generate outputs, or predict labels, for a file of inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.inference import predict as predict_file
from xlgen.cli.console import app, err, say
from xlgen.cli.decoding_options import CONTROL, PRECISION, parse_control, warn_of_slow


@app.command(epilog="Example: xlgen predict runs/squad --language fr --input in.jsonl --output out.jsonl")
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run (its newest checkpoint) or of a checkpoint.")],
    language: Annotated[str, typer.Option(help="Language of the inputs and the outputs.")],
    input: Annotated[
        str,
        typer.Option(
            help="JSONL with the fields of the task's template, or with the field `input`: a text, or for tagging a "
            "list of words. - is standard input."
        ),
    ],
    output: Annotated[
        str, typer.Option(help="JSONL file, which replaces an existing one at the end; - is standard output.")
    ] = "-",
    num_beams: Annotated[int, typer.Option(min=1, max=256, help="Beam size; 1 is greedy search.")] = 1,
    control: Annotated[str | None, typer.Option(help=CONTROL)] = None,
    precision: Annotated[str, typer.Option(help=PRECISION)] = "fp32",
    sample: Annotated[
        str | None,
        typer.Option(
            help="Sample --num-beams outputs and write the most probable one: {temperature: 0.8, top_p: 0.95}."
        ),
    ] = None,
) -> None:
    """Generate outputs, or predict labels, for your own inputs."""
    from xlgen.core.yaml_config import parse_yaml

    warn_of_slow(precision)
    sampling = parse_yaml(sample, "--sample") if sample else None
    count = predict_file(
        checkpoint,
        input,
        output,
        language=language,
        num_beams=num_beams,
        control=parse_control(control),
        precision=precision,
        sampling=sampling,
        say=say,
    )
    err.print(f"{count} predictions", highlight=False)
