"""``xlgen tokenizer``: build a backbone to pretrain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from xlgen.api.tokenizers import tokenizer as write_tokenizer
from xlgen.cli.console import app, out, plain, show


@app.command(
    epilog="Example: xlgen tokenizer '{name: lines, path: \"corpus/{language}.txt\"}' --languages en,fr,th"
    " --family mt5 --out my-backbone"
)
def tokenizer(
    corpus: Annotated[
        str,
        typer.Argument(help="Reader of unlabelled text whose rows have the field `text`, as a YAML file or a mapping."),
    ],
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    family: Annotated[str, typer.Option(help="Backbone family (`xlgen list skeletons`).")],
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated. By default, all that the reader knows.")
    ] = None,
    vocab_size: Annotated[int, typer.Option(min=300, max=1_000_000, help="Size of the vocabulary.")] = 8_000,
    width: Annotated[int, typer.Option(min=8, max=16_384, help="Width of the hidden states.")] = 256,
    layers: Annotated[
        int, typer.Option(min=1, max=200, help="Number of layers of the encoder, and of the decoder.")
    ] = 4,
    heads: Annotated[
        int, typer.Option(min=1, max=256, help="Number of attention heads, which must divide the width.")
    ] = 8,
    data_dir: Annotated[Path, typer.Option(help="Folder that relative paths start from.")] = Path(),
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the weights.")] = 0,
) -> None:
    """Train a tokenizer on your own corpus, and write it with a config and random weights to pretrain.

    `xlgen train` then takes the folder as a backbone, with objectives on the same corpus (recipe pocket-mt5 shows how).
    """
    made = write_tokenizer(
        corpus,
        out=folder,
        family=family,
        languages=[code for text in (languages or "").split(",") if (code := text.strip())],
        vocab_size=vocab_size,
        width=width,
        layers=layers,
        heads=heads,
        data_dir=data_dir,
        seed=seed,
    )
    table = Table("language", Column("tokens per character", justify="right"))
    for code, rate in made.tokens_per_character.items():
        table.add_row(code, f"{rate:.2f}")
    show(table)
    numbers = f"{made.vocab_size:,} tokens, {made.parameters:,} parameters"
    if made.vocab_size > 1.5 * vocab_size:
        numbers += f" (more than the requested {vocab_size:,}, because of single characters and special tokens)"
    elif made.vocab_size < 0.7 * vocab_size:
        numbers += (
            f" (fewer than the requested {vocab_size:,}: the corpus has no more pairs of tokens that occur twice)"
        )
    out.print(f"{plain(str(made.folder))}: {numbers}", highlight=False, soft_wrap=True)
