"""``xlgen export``: weights in the formats of other libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from xlgen.api.inference import export as write
from xlgen.cli.console import app, out, say


@app.command(epilog="Example: xlgen export runs/squad --to ctranslate2 --quantization int8 --out exported/squad")
def export(
    checkpoint: Annotated[Path, typer.Argument(help="Folder of a run (its newest checkpoint) or of a checkpoint.")],
    to: Annotated[str, typer.Option(help="Format: a name of `xlgen list formats`.")],
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    quantization: Annotated[str | None, typer.Option(help="With ctranslate2: int8, int16, float16, ...")] = None,
    max_examples: Annotated[
        int, typer.Option(min=1, max=10**6, help="Number of validation inputs per language whose outputs are compared.")
    ] = 8,
) -> None:
    """Export a checkpoint for other libraries, and check that its outputs are equal."""
    say(f"reading {checkpoint}, exporting and comparing outputs")
    found = write(checkpoint, to, folder, quantization=quantization, max_examples=max_examples)
    equal = f"{found.equal} of {found.compared} outputs are equal"
    if found.searched:
        beams = f"{found.equal_with_beams} of {found.compared} with 4 beams, scores within {found.score_difference:.1e}"
        equal = f"{equal} greedily, {beams}"
    equal = equal if found.compared else f"not compared: {found.unchecked}"
    out.print(f"exported  {folder}\nparity    {equal}", highlight=False, soft_wrap=True)
