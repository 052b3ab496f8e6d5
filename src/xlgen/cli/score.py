"""``xlgen score``: score the outputs of any system."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from xlgen.cli.console import app, codes_of, out, say, show, status
from xlgen.cli.dependent import excludes, needs
from xlgen.core.json_types import JsonMapping, JsonObject
from xlgen.core.registry import InputError


def _identifies(values: JsonMapping) -> bool:
    """Whether ``score`` identifies languages with these options."""
    from xlgen.metrics.options import options_of, owner_of

    metrics = codes_of(values["metrics"], "--metrics")
    asked = not metrics or values["subset"] or values["faults"]
    return bool(asked or any("identifier" in options_of(owner_of(name)) for name in metrics))


@app.command(epilog="Example: xlgen score runs/quickstart/runs/adapters/predictions/step-100 --metrics rougeL")
@needs("a metric that identifies languages, --subset or --faults", "lid", holds=_identifies)
@excludes("--bootstrap 0", "seed", why="draws no resamples", holds=lambda values: values["bootstrap"] == 0)
def score(
    file: Annotated[
        str,
        typer.Argument(help="JSONL, CSV, TSV or text file, also .gz, or a folder of such files; - is standard input."),
    ],
    metrics: Annotated[
        str | None, typer.Option(help="Comma-separated. By default, chosen by the fields of the rows.")
    ] = None,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    by: Annotated[str, typer.Option(help="Comma-separated fields to group by; none for no groups.")] = "language",
    compare: Annotated[
        str | None, typer.Option(help="Rows of another system to compare with, paired by language and id.")
    ] = None,
    references: Annotated[
        list[str] | None,
        typer.Option(
            help="Text file with one reference per line; for a file of answers by id, the questions in SQuAD format."
        ),
    ] = None,
    input: Annotated[str | None, typer.Option(help="Text file with one input per line.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    language: Annotated[str | None, typer.Option(help="Language of rows without the field `language`.")] = None,
    subset: Annotated[str | None, typer.Option(help="Score only a subset of the rows: no-digits-in-language.")] = None,
    lid: Annotated[
        str | None, typer.Option(help="Language identifier: lid.176.ftz, lingua, lingua-low, cld3 or a fastText file.")
    ] = None,
    metric_option: Annotated[
        list[str] | None, typer.Option(help="An option of a metric: rouge.use_stemmer=true, chrf.word_order=2.")
    ] = None,
    faults: Annotated[
        Path | None,
        typer.Option(
            help="Write the faults of each row to this JSONL file, which replaces an existing one at the end."
        ),
    ] = None,
    field: Annotated[list[str] | None, typer.Option(help="Name of a field in the file: prediction=output.")] = None,
    input_format: Annotated[
        str | None,
        typer.Option(help="jsonl, csv, tsv, tsv-quoted, text or squad. By default, chosen by the file's name."),
    ] = None,
    separator: Annotated[
        str | None, typer.Option(help="Separator of CSV or TSV fields: ';', '|', tab. By default, comma or tab.")
    ] = None,
    bootstrap: Annotated[
        int, typer.Option(min=0, max=100_000, help="Number of resamples for the intervals; 0 computes none.")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the resamples.")] = 0,
) -> None:
    """Score the outputs of any system: rows {"id", "language", "prediction", "references": [...], "input"}."""
    from xlgen.api.scoring import compare as compare_systems
    from xlgen.api.scoring import score as score_system
    from xlgen.scoring import parse_fields, parse_options

    if format not in ("table", "json"):
        raise InputError(f"--format must be table or json, not {format!r}")
    names = codes_of(metrics, "--metrics") or None
    groups = () if by == "none" else codes_of(by, "--by")
    with status("scoring") as spinner:

        def progress(rows: int) -> None:
            spinner.update(f"scoring: {rows:,} rows")

        settings: JsonObject = {
            "language": language,
            "bootstrap": bootstrap,
            "seed": seed,
            "subset": subset,
            "strict": strict,
            "lid": lid,
            "references": references or (),
            "input": input,
            "separator": separator,
            "metric_options": parse_options(metric_option or ()),
            "faults": faults,
            "fields": parse_fields(field or ()),
            "input_format": input_format,
            "say": say,
            "progress": progress,
        }
        if compare is None:
            found: JsonObject = {"rows": score_system(file, names, groups, **settings)}
        else:
            both = compare_systems(file, compare, metrics=names, by=groups, **settings)
            found = {"rows": both.metrics, "comparison": both.differences, "pairs": both.pairs}
    _print_figures(found, format, groups, [file] if compare is None else [file, compare])


def _print_figures(found: JsonObject, format: str, by: Sequence[str], sources: Sequence[str]) -> None:
    from xlgen.scoring.table import comparison_table, pairing, tables

    if format == "json":
        sys.stdout.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        return
    if "comparison" in found:
        show(comparison_table(found["comparison"], by, sources))
        say(pairing(found["pairs"], sources), file=out)
        return
    for table in tables(found["rows"], by):
        show(table)
