"""The commands that look into models and tasks: analyze cka, spectra, overlap, correlation, prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from xlgen.cli.console import app, codes_of, err, out, show, status, yaml_option
from xlgen.cli.dependent import Commands, excludes, needs
from xlgen.core.outputs import check_no_run, check_writable
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from xlgen.core.config import ParallelText

TEXTS = (
    "Parallel text: a YAML file or mapping as `evaluation.xlrs` takes it, "
    '{corpus: {reader: lines, path: "ntrex128/{language}.txt", codes: {en: eng, fr: fra}}}.'
)
MODEL = "A backbone (embedded, of the hub, a folder), a run's folder (its newest checkpoint) or a checkpoint's."
LANGUAGES = "Comma-separated; default: all there are."
UNKNOWN = "Let languages through that a backbone without codes lacks."
DATA = "Where relative paths start."
Pooling = Literal["mean", "tokens"]
Linkage = Literal["average", "complete", "single"]

analyze = Commands(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Why it works: representations and weights of models, labels of tasks.",
    epilog="Example: xlgen analyze cka pocket-mbart pocket-nllb",
)
app.add_typer(analyze, name="analyze")


@analyze.command(epilog="Example: xlgen analyze cka pocket-mbart pocket-nllb --languages en,fr,th --out cka")
@needs("--texts", "data_dir")
@needs("a second model", "relative_depth", holds=lambda values: values["second"])
@excludes("--biased", "batch_size", "epochs", "seed", why="takes all sentences at once")
def cka(
    first: Annotated[str, typer.Argument(help=MODEL)],
    second: Annotated[str | None, typer.Argument(help="Another one; without it, the languages of the first.")] = None,
    texts: Annotated[str | None, typer.Option(help=f"{TEXTS} Default: the pocket world.")] = None,
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    max_examples: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Maximum number of sentences; default: all.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    relative_depth: Annotated[
        bool, typer.Option("--relative-depth", help="Compare models of different depths, layer by proportion.")
    ] = False,
    unknown_languages: Annotated[bool, typer.Option("--unknown-languages", help=UNKNOWN)] = False,
    batch_size: Annotated[
        int, typer.Option(min=4, max=10**6, help="Sentences of a batch; more than there are: all at once.")
    ] = 256,
    epochs: Annotated[int, typer.Option(min=1, max=10_000, help="How often the sentences are dealt into batches.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the dealing.")] = 0,
    biased: Annotated[
        bool, typer.Option("--biased", help="By the biased HSIC on all sentences, as Ji et al. (2024), who took 80.")
    ] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Where cka.json and the heat maps go.")] = None,
) -> None:
    """CKA of two models by layer and language, or of the languages of one model by layer (minibatch, unbiased;
    --biased for the plain formula)."""
    from xlgen.analysis.open_model import represent
    from xlgen.analysis.similarity import SimilaritySettings, compare_languages, compare_models, compare_with_length
    from xlgen.report import analysis_tables

    check_out(folder)
    names = [first, *([second] if second else [])]
    check_distinct(names)
    config = parallel_text(texts, max_examples)
    codes = codes_of(languages)
    settings = SimilaritySettings(batch_size, epochs, seed, "biased" if biased else "unbiased")
    with status("reading states"):
        states = [represent(name, config, codes, data_dir, unknown_languages) for name in names]
    between = [compare_languages(each, settings) for each in states] if len(states[0].languages) > 1 else []
    if second is None:
        between = between or [compare_languages(states[0], settings)]  # which says that one language is too few
        show(analysis_tables.similarity_table(between[0]))
    rows = [row for each in between for row in each.rows()]
    figures = {f"cka-languages-{number}.svg": each for number, each in enumerate(between, start=1)}
    models = compare_models(states[0], states[1], settings, relative_depth) if second else None
    if models:
        show(analysis_tables.models_table(models))
        rows += models.rows()
    lengths = [compare_with_length(each, settings) for each in states]
    show(analysis_tables.length_table(lengths))
    rows += [row for each in lengths for row in each.rows()]
    if folder:
        write(rows, folder / "cka.json")
        for name, each in figures.items():
            say(analysis_tables.draw_languages(each, folder / name))
        if models:
            say(analysis_tables.draw_models(models, folder / "cka-models.svg"))


@analyze.command(epilog="Example: xlgen analyze spectra pocket-mbart pocket-nllb --out spectra")
def spectra(
    base: Annotated[str, typer.Argument(help=f"{MODEL} The others are compared with it.")],
    others: Annotated[list[str] | None, typer.Argument(help="Checkpoints of the same architecture.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Where spectra.json, its table and the heat map go.")
    ] = None,
) -> None:
    """Singular values of every weight: norm, distance, effective rank, and what changed, layer by layer."""
    from xlgen.analysis.open_model import read_weights
    from xlgen.analysis.spectra import compared, missing_halves, spectra
    from xlgen.report import analysis_tables
    from xlgen.report.formats import to_csv, to_markdown
    from xlgen.runs.files import write_atomically

    check_out(folder)
    names = (base, *(others or ()))
    check_distinct(names)
    rows: list[dict[str, Any]] = []
    first = None
    for name in names:
        with status(f"singular values of {name}"):
            weights, beside = read_weights(name)
            if missing := missing_halves(weights, first) if first else ():
                err.print(f"{name} and {base}: one of them has no {' and no '.join(missing)}, which is not compared")
            if beside:
                err.print(f"{name}: its method adds modules beside the weights, which are not in these figures")
            found = spectra(weights) if first is None else compared(weights, first)
        first = first or found
        rows += [each.row(name) for each in found]
    show(analysis_tables.norms_table(rows))
    show(analysis_tables.change_table(rows))
    if folder:
        write(rows, folder / "spectra.json")
        table = analysis_tables.spectra_table(rows)
        for suffix, text in (("csv", to_csv(table)), ("md", to_markdown(table))):
            say(write_atomically(folder / f"spectra.{suffix}", text))
        say(analysis_tables.draw_spectra(rows, folder / "spectra.svg"))


@analyze.command(epilog="Example: xlgen analyze overlap pocket-summaries --languages fr,de,zh --max-examples 100")
def overlap(
    task: Annotated[
        str, typer.Argument(help="A task, by name or as a YAML file; d needs `parallel: true` or `pairs_by` in it.")
    ],
    source: Annotated[str, typer.Option(help="The language that the others are compared with.")] = "en",
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help="Which part of the task's data.")] = "test",
    max_examples: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="Maximum number of examples of each language.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Where overlap.json goes.")] = None,
) -> None:
    """Label overlap: how many parallel inputs have the same label in two languages, or words of it; and numbers."""
    from xlgen.analysis.overlap import label_overlap
    from xlgen.data.tasks import load_task
    from xlgen.report.analysis_tables import overlap_table

    check_out(folder)
    codes = codes_of(languages)
    found = label_overlap(load_task(task, data_dir), source, codes, split, max_examples)
    rows = [{"analysis": "overlap", **asdict(each)} for each in found]
    show(overlap_table(rows))
    if folder:
        write(rows, folder / "overlap.json")


@analyze.command(epilog="Example: xlgen analyze correlation runs/pocket-search --by-run")
def correlation(
    runs: Annotated[Path, typer.Argument(help="A run's or a study's folder, with XLRS measured while training.")],
    metric: Annotated[str | None, typer.Option(help="Default: each task's main metric.")] = None,
    by_run: Annotated[bool, typer.Option("--by-run", help="Each run by itself too.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Where correlation.json goes.")] = None,
) -> None:
    """Spearman's rank correlation of XLRS with the metric, over checkpoints and languages (* p < 0.05)."""
    from xlgen.experiments.correlation import xlrs_correlations
    from xlgen.report.analysis_tables import correlation_table
    from xlgen.runs.rows import load_results

    check_out(folder)
    found = xlrs_correlations(load_results(runs), metric, by_run)
    rows = [{"analysis": "correlation", **asdict(each)} for each in found]
    show(correlation_table(rows))
    if folder:
        write(rows, folder / "correlation.json")


@analyze.command(epilog="Example: xlgen analyze prompts runs/prompts --out runs/prompts/analysis")
def prompts(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs or checkpoints: factorized prompts, or prompts trained on text of one language each."
        ),
    ],
    pooling: Annotated[Pooling, typer.Option(help="Prompts of several vectors: their mean, or end to end.")] = "mean",
    linkage: Annotated[Linkage, typer.Option(help="How far clusters are from each other.")] = "average",
    folder: Annotated[Path | None, typer.Option("--out", help="Where prompts.json and prompts.svg go.")] = None,
) -> None:
    """Cosines of language prompts and their clusters, beside the languages' families and scripts (V, Figure 8)."""
    from xlgen.analysis.open_model import read_prompts
    from xlgen.analysis.prompts import compare_prompts
    from xlgen.report import clusters

    check_out(folder)
    name = runs[0] if len(runs) == 1 else f"{len(runs)} runs"
    found = compare_prompts(name, read_prompts(runs), pooling, linkage)
    rows = found.rows()
    of = {kind: [row for row in rows if row["analysis"] == kind] for kind in ("prompts", "prompts-contrast")}
    show(clusters.prompts_table(of["prompts"]))
    if of["prompts-contrast"]:
        show(clusters.contrasts_table(of["prompts-contrast"]))
    out.print(found.signature, highlight=False, soft_wrap=True)
    if folder:
        write(rows, folder / "prompts.json")
        say(clusters.draw_clusters(found, folder / "prompts.svg"))


def parallel_text(texts: str | None, sentences: int | None) -> ParallelText:
    """What --texts names, or the pocket world's validation stories."""
    from xlgen.core.config import ParallelText, validate

    found: Any = yaml_option(texts, "--texts") if texts else {}
    config = validate(ParallelText, found, "--texts")
    return config.model_copy(update={"sentences": sentences} if sentences else {})


def check_out(folder: Path | None) -> None:
    """Raise InputError where nothing can be written into the folder of --out, or a run manages it; leave it unmade.

    The folder ``analysis`` of a run is what its report shows.
    """
    if folder is None:
        return
    check_no_run(folder, "--out", allowed="analysis")
    check_writable(folder, "--out")


def check_distinct(names: Sequence[str]) -> None:
    """Raise InputError for a model that is given twice: a table has a column for each name."""
    found = [Path(name) for name in names]
    if twice := [name for name, path in zip(names, found, strict=True) if found.count(path) > 1]:
        raise InputError(f"{twice[0]} is given twice; name different models, or this one once")


def write(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Every number, as JSON rows."""
    from xlgen.runs.rows import write_rows

    say(write_rows([dict(row) for row in rows], path))


def say(path: Path) -> None:
    """What was written."""
    out.print(f"written  {path}", highlight=False, soft_wrap=True)
