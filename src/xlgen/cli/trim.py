"""``xlgen trim`` and ``xlgen untrim``: models with the tokens of some languages only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from xlgen.api.trimming import TrimmedModel
from xlgen.api.trimming import trim as write_trimmed
from xlgen.api.trimming import untrim as write_untrimmed
from xlgen.cli.console import app, codes_of, out, plain, say, show

_MIB = 2**20


@app.command(
    epilog="Example: xlgen trim google/mt5-small --languages en,fr --corpus 'corpus/{language}.txt' --keep 30000"
    " --out mt5-small-en-fr"
)
def trim(
    model: Annotated[str, typer.Argument(help="Embedded backbone, folder, or id on the Hub.")],
    corpus: Annotated[
        list[str],
        typer.Option(
            help="Text or JSONL file whose tokens are counted, possibly with {language} in its path; or a reader of"
            " unlabelled text as a mapping. Repeatable."
        ),
    ],
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    languages: Annotated[
        str | None, typer.Option(help="Comma-separated languages to read and to use the model for. By default, all.")
    ] = None,
    keep: Annotated[
        int | None, typer.Option(min=1, max=16_000_000, help="Size of the vocabulary, special tokens included.")
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            help="Share of all occurrences of tokens that the kept ones have in every language. 0.9999 without --keep.",
        ),
    ] = None,
    measure_on: Annotated[
        list[str] | None, typer.Option(help="Texts to measure the coverage on, as --corpus. By default, the corpus.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help="Folder that relative paths in the corpus start from.")] = Path(),
    speed: Annotated[
        bool, typer.Option("--speed/--no-speed", help="Load both models, and compare their speed.")
    ] = True,
) -> None:
    """Write a smaller and faster model, with only the tokens that texts of some languages use.

    On these texts, its tokens and logits are those of the whole model. Special tokens, language codes, sentinels, bytes
    and all single characters of the corpus are kept in any case.
    """
    say(f"counting the tokens of {', '.join(corpus)}, and trimming {model}")
    found = write_trimmed(
        model,
        folder,
        corpus=corpus,
        languages=codes_of(languages),
        keep=keep,
        coverage=coverage,
        measure_on=measure_on or (),
        data_dir=data_dir,
        speed=speed,
    )
    show(_coverage_table(found))
    show(_size_table(found))
    out.print(plain(str(found.folder)), highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen untrim runs/squad --into google/mt5-small --out mt5-small-squad")
def untrim(
    model: Annotated[
        Path, typer.Argument(help="Run (its newest checkpoint), checkpoint, or model folder with trim.json.")
    ],
    folder: Annotated[Path, typer.Option("--out", help="A new folder.")],
    into: Annotated[
        str | None, typer.Option(help="The whole model. By default, the one whose vocabulary was trimmed.")
    ] = None,
) -> None:
    """Merge a model that was trained with a trimmed vocabulary into the whole vocabulary.

    Rows of tokens that were dropped are those of the whole model.
    """
    found = write_untrimmed(model, folder, into=into)
    out.print(
        f"{found.folder}: {found.rows:,} tokens, {found.trained:,} of them trained, the others from {found.source}",
        highlight=False,
        soft_wrap=True,
    )


def _coverage_table(found: TrimmedModel) -> Table:
    names = ("texts", "tokens", "kept %", "per text before", "per text after", "unknown")
    table = Table("language", *(Column(name, justify="right") for name in names))
    for row in found.coverage:
        per_text = [f"{tokens / max(1, row.texts):.2f}" for tokens in (row.tokens_before, row.tokens_after)]
        numbers = (f"{row.texts:,}", f"{row.occurrences:,}", f"{row.percent:.3f}", *per_text, f"{row.unknown:,}")
        table.add_row(row.language or "-", *numbers)
    return table


def _size_table(found: TrimmedModel) -> Table:
    table = Table("", *(Column(name, justify="right") for name in ("before", "after", "after / before")))
    before, after = found.before, found.after
    rows = [
        ("tokens", before.tokens, after.tokens, "{:,}"),
        ("parameters", before.parameters, after.parameters, "{:,}"),
        ("MiB on disk", before.bytes / _MIB, after.bytes / _MIB, "{:,.1f}"),
    ]
    if found.speed is not None:
        old, new = found.speed["before"], found.speed["after"]
        rows.append(("ms per training step", 1e3 * old.training, 1e3 * new.training, "{:,.1f}"))
        if old.decoding is not None and new.decoding is not None:
            rows.append(("ms per batch, 4 beams", 1e3 * old.decoding, 1e3 * new.decoding, "{:,.1f}"))
    for name, old_value, new_value, form in rows:
        table.add_row(name, form.format(old_value), form.format(new_value), f"{new_value / old_value:.3f}")
    return table
