"""``xlgen analyze``: what happens inside models, and how labels, metrics and selection criteria behave."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.text import Text

from xlgen.api import analyze as api
from xlgen.cli.console import app, codes_of, finite, out, plain, say, show, status
from xlgen.cli.dependent import Commands, excludes, needs

if TYPE_CHECKING:
    from xlgen.api.analyze import Analyzed

TEXTS = (
    "Parallel text: a YAML file or mapping as `evaluation.xlrs` takes it, "
    '{corpus: {name: lines, path: "ntrex128/{language}.txt", codes: {en: eng, fr: fra}}}.'
)
MODEL = (
    "A backbone (embedded, on the Hub, or a folder), or the folder of a run (its newest checkpoint) or of a checkpoint."
)
MODELS = f"{MODEL} Give several to compare them, such as one before and after finetuning."
LANGUAGES = "Comma-separated. By default, all."
UNKNOWN = "Allow languages that a backbone without language codes does not know."
DATA = "The folder that relative paths start from."
SPLIT = "Split of the task's data."
RUNS = "Folder of a run or a study, with its predictions."
_DEFAULT = "pocket-summaries"
_TASK = "A task whose inputs in several languages are translations of one another, by name or as a YAML file."
_CORPUS = (
    "Unlabelled text, such as {name: pocket}, by which tokens are assigned to languages. By default, they are assigned "
    "by script, which cannot distinguish source and target if both have the same script."
)
Pooling = Literal["mean", "tokens"]
Linkage = Literal["average", "complete", "single"]

analyze = Commands(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Analyze the representations and weights of models, and the labels of tasks.",
    epilog="Example: xlgen analyze cka pocket-mbart pocket-nllb",
)
app.add_typer(analyze, name="analyze")


@analyze.command(epilog="Example: xlgen analyze cka pocket-mbart pocket-nllb --languages en,fr,th --out cka")
@needs("--texts", "data_dir")
@needs("a second model", "relative_depth", holds=lambda values: values["second"])
@excludes("--biased", "batch_size", "epochs", "seed", why="uses all sentences at once")
def cka(
    first: Annotated[str, typer.Argument(help=MODEL)],
    second: Annotated[
        str | None, typer.Argument(help="Another model. Without it, compare the languages of the first.")
    ] = None,
    texts: Annotated[str | None, typer.Option(help=f"{TEXTS} By default, the pocket world.")] = None,
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    max_examples: Annotated[
        int | None, typer.Option(min=1, max=100_000, help="Maximum number of sentences. By default, all.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    relative_depth: Annotated[
        bool, typer.Option("--relative-depth", help="Compare models of different depths, at the same relative depth.")
    ] = False,
    unknown_languages: Annotated[bool, typer.Option("--unknown-languages", help=UNKNOWN)] = False,
    batch_size: Annotated[
        int,
        typer.Option(
            min=4, max=10**6, help="Number of sentences in a batch; a larger value than their number uses one batch."
        ),
    ] = 256,
    epochs: Annotated[
        int, typer.Option(min=1, max=10_000, help="Number of times that the sentences are split into batches.")
    ] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the batches.")] = 0,
    biased: Annotated[
        bool,
        typer.Option(
            "--biased",
            help="Use the biased HSIC estimator on all sentences at once, as Ji et al. (2024) do; add --max-examples "
            "80 for their sample size.",
        ),
    ] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of cka.json and the heat maps.")] = None,
) -> None:
    """Compute CKA for each layer, between two models in each language, or between the languages of one model.

    The estimate is unbiased and computed in minibatches, unless --biased is given.
    """
    with _working() as work:
        found = api.cka(
            first,
            second,
            texts=texts,
            languages=codes_of(languages),
            max_examples=max_examples,
            data_dir=data_dir,
            relative_depth=relative_depth,
            unknown_languages=unknown_languages,
            batch_size=batch_size,
            epochs=epochs,
            seed=seed,
            biased=biased,
            out=folder,
            status=work,
        )
    _print(found)


@analyze.command(epilog="Example: xlgen analyze spectra pocket-mbart pocket-nllb --out spectra")
def spectra(
    base: Annotated[str, typer.Argument(help=f"{MODEL} The others are compared with it.")],
    others: Annotated[list[str] | None, typer.Argument(help="Other models of the same architecture.")] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder of spectra.json, its table and the heat map.")
    ] = None,
) -> None:
    """Compute singular values of every weight matrix: norm, effective rank, and distance between models, by layer."""
    with _working() as work:
        found = api.spectra(base, others or (), out=folder, status=work, say=say)
    _print(found)


@analyze.command(epilog="Example: xlgen analyze overlap pocket-summaries --languages fr,de,zh --max-examples 100")
def overlap(
    task: Annotated[
        str,
        typer.Argument(
            help="A task, by name or as a YAML file; the statistic d needs a task with `parallel: true` or `pairs_by`."
        ),
    ],
    source: Annotated[str, typer.Option(help="Language that the others are compared with.")] = "en",
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help=SPLIT)] = "test",
    max_examples: Annotated[
        int | None, typer.Option(min=1, max=10**9, help="Maximum number of examples of each language.")
    ] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of overlap.json.")] = None,
) -> None:
    """Compute label overlap: the share of parallel inputs with the same label, or words of it, in two languages."""
    _print(
        api.overlap(
            task,
            source=source,
            languages=codes_of(languages),
            split=split,
            max_examples=max_examples,
            data_dir=data_dir,
            out=folder,
        )
    )


@analyze.command(epilog="Example: xlgen analyze correlation runs/pocket-search --by-run")
def correlation(
    runs: Annotated[Path, typer.Argument(help="Folder of a run or a study in which XLRS was tracked.")],
    metric: Annotated[
        str | None, typer.Option(help="Metric to correlate with. By default, each task's main metric.")
    ] = None,
    by_run: Annotated[bool, typer.Option("--by-run", help="Add the correlations within each run.")] = False,
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of correlation.json.")] = None,
) -> None:
    """Compute Spearman's rank correlation of XLRS with the metric, over checkpoints and languages.

    In the table, * marks p < 0.05.
    """
    _print(api.correlation(runs, metric=metric, by_run=by_run, out=folder))


@analyze.command(epilog="Example: xlgen analyze prompts runs/prompts --out runs/prompts/analysis")
def prompts(
    runs: Annotated[
        list[str],
        typer.Argument(
            help="Runs or checkpoints with factorized prompts, or with prompts trained on text in one language each."
        ),
    ],
    pooling: Annotated[
        Pooling, typer.Option(help="How to combine the vectors of a prompt: their mean, or concatenated.")
    ] = "mean",
    linkage: Annotated[Linkage, typer.Option(help="How the distance between two clusters is computed.")] = "average",
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of prompts.json and prompts.svg.")] = None,
) -> None:
    """Compare language prompts: cosine similarities and clusters, next to language families and scripts.

    The plot is as Figure 8 of Vu et al. (2022).
    """
    _print(api.prompts(runs, pooling=pooling, linkage=linkage, out=folder))


@analyze.command(epilog="Example: xlgen analyze probe pocket-mt5 --languages en,th,ar --max-examples 20")
@excludes("--texts", "task", "split", why="replaces the task")
@needs("--task or --texts", "data_dir", holds=lambda values: values["task"] or values["texts"])
def probe(
    models: Annotated[list[str], typer.Argument(help=MODELS)],
    task: Annotated[str | None, typer.Option(help=f"{_TASK} By default, {_DEFAULT}.")] = None,
    texts: Annotated[str | None, typer.Option(help=f"Instead of a task, for the encoder alone. {TEXTS}")] = None,
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help=SPLIT)] = "validation",
    max_examples: Annotated[
        int, typer.Option(min=4, max=10**9, help="Maximum number of inputs of each language.")
    ] = 100,
    unknown_languages: Annotated[bool, typer.Option("--unknown-languages", help=UNKNOWN)] = False,
    l2: Annotated[
        float, typer.Option(min=1e-6, max=1e6, callback=finite, help="Weight of the L2 penalty: 1 / C in scikit-learn.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of the split and the shuffled labels.")] = 0,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of probe.json and probe.svg.")] = None,
) -> None:
    """Measure how well a linear classifier predicts the language from the states of each encoder and decoder layer."""
    with _working() as work:
        found = api.probe(
            models,
            task=task,
            texts=texts,
            languages=codes_of(languages),
            split=split,
            max_examples=max_examples,
            unknown_languages=unknown_languages,
            l2=l2,
            seed=seed,
            data_dir=data_dir,
            out=folder,
            status=work,
        )
    _print(found)


@analyze.command(epilog="Example: xlgen analyze lens pocket-mt5 --languages th --max-examples 4 --steps 6 --out lens")
@needs("--task or --corpus", "data_dir", holds=lambda values: values["task"] != _DEFAULT or values["corpus"])
def lens(
    models: Annotated[list[str], typer.Argument(help=MODELS)],
    task: Annotated[str, typer.Option(help="A task, by name or as a YAML file.")] = _DEFAULT,
    source: Annotated[str, typer.Option(help="Language of the labels.")] = "en",
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help=SPLIT)] = "validation",
    max_examples: Annotated[int, typer.Option(min=1, max=10**9, help="Maximum number of inputs per language.")] = 20,
    steps: Annotated[int, typer.Option(min=1, max=65_536, help="Number of tokens from the start of each text.")] = 12,
    corpus: Annotated[str | None, typer.Option(help=_CORPUS)] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Folder of lens.json and the plots.")] = None,
) -> None:
    """Apply the logit lens: the language of the next token at each decoder layer, in outputs and in references."""
    with _working() as work:
        found = api.lens(
            models,
            task=task,
            source=source,
            languages=codes_of(languages),
            split=split,
            max_examples=max_examples,
            steps=steps,
            corpus=corpus,
            data_dir=data_dir,
            out=folder,
            status=work,
        )
    _print(found)


@app.command(hidden=True, deprecated=True, epilog="Example: xlgen choices runs/pocket-search")
def choices(runs: Annotated[Path, typer.Argument(help=RUNS)]) -> None:
    """The old name of `xlgen analyze selection`."""
    say("note: xlgen choices is now called xlgen analyze selection")
    selection(runs)


@analyze.command(epilog="Example: xlgen analyze selection runs/pocket-search")
def selection(runs: Annotated[Path, typer.Argument(help=RUNS)]) -> None:
    """Compute the cost of selecting learning rates and checkpoints without target labels.

    Rates and checkpoints are selected on one half of the examples and evaluated on the other.

    Tables for every run and search are written to `tables/` in the folder.
    """
    from xlgen.report.formats import to_terminal

    found = api.selection(runs)
    for path in found.files:
        if path.suffix == ".csv":
            out.print(f"table    {path}", highlight=False, soft_wrap=True)
    show(to_terminal(found.tables[0]))
    if found.note:
        say(found.note, file=out)


@contextmanager
def _working() -> Iterator[Callable[[str], None]]:
    """Show a spinner while the context is open; the function sets its text."""
    with status("analyzing") as spinner:
        yield lambda text: spinner.update(Text(plain(text)))


def _print(found: Analyzed) -> None:
    """Print the tables, how they were measured, and what was written."""
    from xlgen.report.formats import to_narrow_terminal

    for table in found.tables:
        show(to_narrow_terminal(table))
    if found.note:
        out.print(found.note, highlight=False, soft_wrap=True)
    for path in found.files:
        out.print(f"written  {path}", highlight=False, soft_wrap=True)
