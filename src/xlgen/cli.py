"""The command line. Each command parses, calls one function and prints; progress goes to standard error."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table

from xlgen import __version__
from xlgen.errors import describe
from xlgen.registry import InputError

app = typer.Typer(
    name="xlgen",
    help="Zero-shot cross-lingual generation: labels in one language, output in the right language in all others.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True)

_KINDS = "backbones, methods, tasks, metrics, objectives, baselines, controls, penalties, languages, recipes"
Out = Annotated[Path, typer.Option(help="The run's folder.")]


def main() -> None:
    """Entry point: 0 done, 2 the input or recipe is wrong, 1 anything else."""
    try:
        app()
    except Exception as error:
        found = describe(error)
        if found is None:
            raise
        code, message = found
        err.print(f"[bold red]error:[/] {_plain(message)}", highlight=False, soft_wrap=True)
        sys.exit(code)


def _plain(text: str) -> str:
    return text.replace("[", r"\[")


@app.callback(invoke_without_command=True)
def about(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """Zero-shot cross-lingual generation."""
    if version:
        out.print(__version__, highlight=False)
        raise typer.Exit


@app.command(epilog="Example: xlgen quickstart --out runs/quickstart")
def quickstart(
    folder: Annotated[Path, typer.Option("--out", help="Where the runs and the report go.")] = Path("runs/quickstart"),
    workers: Annotated[int, typer.Option(min=0, help="Runs side by side; 0 means one a core.")] = 0,
) -> None:
    """The main job on the embedded default: finetune on English, generate in 12 languages, report."""
    _study("quickstart", folder, workers)


@app.command(epilog="Example: xlgen study pocket-grid --out runs/pocket-grid --workers 2")
def study(
    name: Annotated[str, typer.Argument(help="A shipped study or a YAML file with `base` and `runs`.")],
    folder: Annotated[Path, typer.Option("--out", help="Where the runs and the report go.")],
    overrides: Annotated[list[str] | None, typer.Argument(help="key.sub=value, applied to the base recipe.")] = None,
    workers: Annotated[int, typer.Option(min=0, help="Runs side by side; 0 means one a core.")] = 0,
    only: Annotated[
        str | None, typer.Option(help="Only the runs with these names, comma-separated: 'prompt-base-*'.")
    ] = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="One run of each kind for two steps in the pocket world, one by one.")
    ] = False,
) -> None:
    """Several runs that differ in a few keys; running it again does what is missing."""
    _study(name, folder, workers, overrides or (), only, smoke)


def _study(
    name: str, folder: Path, workers: int, overrides: Sequence[str] = (), runs: str | None = None, smoke: bool = False
) -> None:
    from xlgen.study.execute import execute, failures
    from xlgen.study.plan import load_study, only

    planned = load_study(name, overrides)
    if runs:
        planned = only(planned, runs.split(","))
    if smoke:
        from xlgen.study.smoke import run_smoke

        failed = run_smoke(planned, folder, lambda text: err.print(_plain(text), highlight=False))
    else:
        failed = execute(planned, folder, workers or os.cpu_count() or 1, err)
    for line in failures(failed):
        err.print(f"[bold red]failed:[/] {_plain(line)}", highlight=False)
    if failed:
        raise typer.Exit(1)
    _report(folder)


@app.command(epilog="Example: xlgen train squad-xquad data_dir=../shared/data training.steps=300 --out runs/squad")
def train(
    recipe: Annotated[str, typer.Argument(help="A shipped recipe (`xlgen list recipes`) or a YAML file.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="key.sub=value, e.g. training.learning_rate=1e-4.")
    ] = None,
    folder: Annotated[Path, typer.Option("--out", help="The run's folder.")] = ...,  # type: ignore[assignment]
    resume: Annotated[bool, typer.Option(help="Go on with the run in --out from its newest checkpoint.")] = False,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="Two steps a stage on a pocket backbone, with pocket tasks and text.")
    ] = False,
) -> None:
    """One run: train, evaluate every target language, report."""
    from xlgen.config import load_recipe
    from xlgen.training.progress import TerminalProgress
    from xlgen.training.run import train as run

    config = load_recipe(recipe, overrides or ())
    if smoke:
        from xlgen.study.smoke import smoke_recipe

        config = smoke_recipe(config)
    with TerminalProgress() as progress:
        run(config, folder, resume, progress)
    if config.stages[-1].task is None:
        out.print(f"run      {folder}", highlight=False, soft_wrap=True)
    elif os.environ.get("RANK", "0") == "0":
        _report(folder)


def _report(folder: Path) -> None:
    """Write report and summary of a run or a study, and say where they are."""
    from xlgen.report.build import build_report, terminal_table

    page = build_report(folder)
    out.print(terminal_table(folder))
    out.print(f"report   {page}\nsummary  {folder / 'summary.json'}", highlight=False, soft_wrap=True)


_CONTROL = "Language control while decoding: a name of `xlgen list controls`, or {name: rerank, candidates: 4}."


def _control(text: str | None) -> Any:
    """The control of the command line: YAML."""
    from xlgen.overrides import parse_yaml

    found = parse_yaml(text, "--control") if text else None
    if found is not None and not isinstance(found, (str, dict)):
        raise InputError(f"--control must be a name, or a mapping with a name, not {text!r}")
    return found


def _shares(text: str) -> list[float]:
    """Numbers separated by commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--interpolate takes numbers from 0 to 1, separated by commas, not {text!r}") from None


@app.command(epilog="Example: xlgen evaluate runs/squad --split test --languages fr,de")
def evaluate(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder (its newest checkpoint) or a checkpoint's.")],
    task: Annotated[str | None, typer.Option(help="Another task than the one it was trained on.")] = None,
    languages: Annotated[str | None, typer.Option(help="Comma-separated; default: all of the task.")] = None,
    split: Annotated[str, typer.Option(help="Which part of the task's data.")] = "test",
    examples: Annotated[int | None, typer.Option(min=1, help="At most so many per language.")] = None,
    beams: Annotated[int, typer.Option(min=1, help="Beam size; 1 is greedy.")] = 1,
    data_dir: Annotated[str | None, typer.Option(help="Where the task's files are.")] = None,
    control: Annotated[str | None, typer.Option(help=_CONTROL)] = None,
    interpolate: Annotated[
        str, typer.Option(help="Shares of the finetuned weights, the rest pretrained: 0,0.25,0.5,0.75,1.")
    ] = "1",
    folder: Annotated[Path | None, typer.Option("--out", help="Default: evaluations/ in the run's folder.")] = None,
) -> None:
    """Generate with a checkpoint and score."""
    from xlgen.config import Evaluation
    from xlgen.training.progress import TerminalProgress
    from xlgen.training.serving import evaluate_checkpoint

    config = Evaluation(
        split=split,
        examples=examples,
        num_beams=beams,
        languages=tuple(languages.split(",")) if languages else (),
        control=_control(control),
    )
    with TerminalProgress() as progress:
        rows, written = evaluate_checkpoint(checkpoint, config, task, data_dir, folder, progress, _shares(interpolate))
    table = Table("method", "language", "metric", "value", "95 % interval", "n")
    for row in rows:
        value = "-" if row["value"] is None else f"{row['value']:.1f}"
        interval = "" if row["low"] is None else f"{row['low']:.1f} … {row['high']:.1f}"
        table.add_row(row["method"], row["language"], row["metric"], value, interval, str(row["n"]))
    out.print(table)
    out.print(f"predictions and summary  {written}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen predict runs/squad --language fr --input in.jsonl --output out.jsonl")
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="A run's folder (its newest checkpoint) or a checkpoint's.")],
    language: Annotated[str, typer.Option(help="Language of the inputs and the outputs.")],
    input: Annotated[str, typer.Option(help='JSONL with the task\'s fields, or {"input": text}; - is standard input.')],
    output: Annotated[str, typer.Option(help="JSONL; - is standard output.")] = "-",
    beams: Annotated[int, typer.Option(min=1, help="Beam size; 1 is greedy.")] = 1,
    control: Annotated[str | None, typer.Option(help=_CONTROL)] = None,
) -> None:
    """Generate for one's own inputs."""
    from xlgen.training.serving import predict_file

    count = predict_file(checkpoint, language, input, output, beams, _control(control))
    err.print(f"{count} predictions", highlight=False)


@app.command(epilog="Example: xlgen score runs/quickstart/adapters/predictions/step-220 --metrics rougeL,language_rate")
def score(
    file: Annotated[str, typer.Argument(help="JSONL, CSV or TSV, also .gz; a folder of such; - is standard input.")],
    metrics: Annotated[str | None, typer.Option(help="Comma-separated; default: by what the rows have.")] = None,
    format: Annotated[str, typer.Option(help="table or json.")] = "table",
    by: Annotated[str, typer.Option(help="Fields with figures for each value, comma-separated, or none.")] = "language",
    compare: Annotated[str | None, typer.Option(help="Another system's rows, paired by language and id.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Stop at the first bad row.")] = False,
    language: Annotated[str | None, typer.Option(help="Of rows that do not say theirs.")] = None,
    subset: Annotated[str | None, typer.Option(help="Only these rows count: no-digits-in-language.")] = None,
    lid: Annotated[
        str | None, typer.Option(help="Language identifier: lid.176.ftz, lingua, lingua-low, cld3 or a fastText file.")
    ] = None,
    faults: Annotated[Path | None, typer.Option(help="Write the labels of each row to this JSONL file.")] = None,
    field: Annotated[list[str] | None, typer.Option(help="The file's name for a field: prediction=output.")] = None,
    input_format: Annotated[str | None, typer.Option(help="jsonl, csv or tsv; default: by the file's name.")] = None,
    bootstrap: Annotated[int, typer.Option(min=0, help="Resamples behind the intervals; 0 gives none.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples.")] = 0,
) -> None:
    """Score anybody's outputs: rows {"id", "language", "prediction", "references": [...], "input"}."""
    from xlgen.scoring import check_kind, check_renamed
    from xlgen.scoring.run import score_files

    if format not in ("table", "json"):
        raise InputError(f"--format must be table or json, not {format!r}")
    sources = [file] if compare is None else [file, compare]
    fields = () if by == "none" else tuple(by.split(","))
    with err.status("scoring") as status:

        def progress(rows: int) -> None:
            status.update(f"scoring: {rows:,} rows")

        found = score_files(
            sources,
            metrics.split(",") if metrics else None,
            fields,
            language,
            check_renamed(field or ()),
            check_kind(input_format),
            bootstrap,
            seed,
            subset,
            strict,
            faults,
            lambda text: err.print(_plain(text), highlight=False, soft_wrap=True),
            progress,
            lid,
        )
    _print_figures(found, format, fields, sources)


def _print_figures(found: dict[str, Any], format: str, by: Sequence[str], sources: Sequence[str]) -> None:
    from xlgen.scoring.table import comparison_table, pairing, tables

    if format == "json":
        sys.stdout.write(json.dumps(found, ensure_ascii=False, allow_nan=False) + "\n")
        return
    if "comparison" in found:
        out.print(comparison_table(found["comparison"], by, sources))
        out.print(_plain(pairing(found["pairs"], sources)), highlight=False, soft_wrap=True)
        return
    for table in tables(found["rows"], by):
        out.print(table)


@app.command(epilog="Example: xlgen report runs/quickstart")
def report(folder: Annotated[Path, typer.Argument(help="A run's or a study's folder.")]) -> None:
    """Write report.html and the tables of a run or a study."""
    _report(folder)


@app.command("list", epilog="Example: xlgen list methods --backbone pocket-mt5")
def list_(
    kind: Annotated[str, typer.Argument(help=f"One of {_KINDS}.")],
    backbone: Annotated[
        str | None, typer.Option(help="With methods: how many parameters each trains on this backbone.")
    ] = None,
) -> None:
    """What there is, one line each."""
    from xlgen.listing import LISTS, methods_on
    from xlgen.registry import nearest

    if kind not in LISTS:
        raise InputError(f"nothing is called {kind!r}: {nearest(kind, LISTS)}")
    if backbone is not None:
        if kind != "methods":
            raise InputError("--backbone goes with `xlgen list methods`")
        table = Table("method", Column("trained", justify="right"), Column("%", justify="right"), "what it is")
        for name, count, share, description in methods_on(backbone):
            numbers = ("-", "-") if count is None or share is None else (f"{count:,}", f"{share:.2f}")
            table.add_row(name, *numbers, _plain(description))
        out.print(table)
        return
    for name, description in LISTS[kind]():
        out.print(f"[bold]{_plain(name):<22}[/] {_plain(description)}", highlight=False, soft_wrap=True)


@app.command(epilog="Example: xlgen doctor")
def doctor() -> None:
    """Versions, device, memory, optional parts present or not, and how to get them."""
    from xlgen.doctor import findings

    table = Table("what", "found", "note")
    for row in findings():
        table.add_row(*row)
    out.print(table)
