"""The commands that ask where a model's language goes wrong: analyze probe, lens."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from xlgen.cli.analyzing import (
    DATA,
    LANGUAGES,
    MODEL,
    TEXTS,
    UNKNOWN,
    analyze,
    check_distinct,
    check_out,
    parallel_text,
    say,
    write,
)
from xlgen.cli.console import codes_of, finite, show, status
from xlgen.cli.dependent import excludes, needs
from xlgen.core.registry import InputError

_MODELS = f"{MODEL} Several are set side by side: before and after."
_DEFAULT = "pocket-summaries"
_TASK = "A task whose inputs in several languages are translations of one another, by name or as a YAML file."
_CORPUS = (
    "Unlabelled text, {reader: pocket}, by which pieces are told apart rather than by script; needed where source and "
    "target have one script."
)


@analyze.command(epilog="Example: xlgen analyze probe pocket-mt5 --languages en,th,ar --max-examples 20")
@excludes("--texts", "task", "split", why="is what is read")
@needs("--task or --texts", "data_dir", holds=lambda values: values["task"] or values["texts"])
def probe(
    models: Annotated[list[str], typer.Argument(help=_MODELS)],
    task: Annotated[str | None, typer.Option(help=f"{_TASK} Default: {_DEFAULT}.")] = None,
    texts: Annotated[str | None, typer.Option(help=f"Instead of a task, for the encoder alone. {TEXTS}")] = None,
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help="Which part of the task's data.")] = "validation",
    max_examples: Annotated[
        int, typer.Option(min=4, max=10**9, help="Maximum number of inputs of each language.")
    ] = 100,
    unknown_languages: Annotated[bool, typer.Option("--unknown-languages", help=UNKNOWN)] = False,
    l2: Annotated[
        float, typer.Option(min=1e-6, max=1e6, callback=finite, help="The penalty's weight; 1 / C of scikit-learn.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of the split and the shuffled labels.")] = 0,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Where probe.json and probe.svg go.")] = None,
) -> None:
    """How well a linear classifier tells the language from the states of each layer, of encoder and decoder."""
    from xlgen.analysis.collect_states import ChosenTexts, states_of
    from xlgen.analysis.open_model import represent
    from xlgen.analysis.probes import ProbeSettings
    from xlgen.analysis.probes import probe as probe_states
    from xlgen.analysis.similarity import LayerStates
    from xlgen.data.tasks import load_task
    from xlgen.report import probe_figures

    check_out(folder)
    check_distinct(models)
    codes = codes_of(languages)
    if texts:
        corpus = parallel_text(texts, max_examples)

        def read(name: str) -> dict[str, LayerStates]:
            return {"encoder": represent(name, corpus, codes, data_dir, unknown_languages)}

    else:
        chosen = ChosenTexts(load_task(task or _DEFAULT, data_dir), codes, split, max_examples, unknown_languages)

        def read(name: str) -> dict[str, LayerStates]:
            return states_of(name, chosen)

    rows: list[dict[str, Any]] = []
    for name in models:
        with status(f"reading states of {name}"):
            parts = read(name)
        with status(f"probing {name}"):
            rows += [
                row
                for part, states in parts.items()
                for row in probe_states(states, part, ProbeSettings(l2, seed=seed)).rows()
            ]
    show(probe_figures.probe_table(rows))
    if folder:
        write(rows, folder / "probe.json")
        say(probe_figures.draw_probes(rows, folder / "probe.svg"))


@analyze.command(epilog="Example: xlgen analyze lens pocket-mt5 --languages th --max-examples 4 --steps 6 --out lens")
@needs("--task or --corpus", "data_dir", holds=lambda values: values["task"] != _DEFAULT or values["corpus"])
def lens(
    models: Annotated[list[str], typer.Argument(help=_MODELS)],
    task: Annotated[str, typer.Option(help="A task, by name or as a YAML file.")] = _DEFAULT,
    source: Annotated[str, typer.Option(help="The language of the labels.")] = "en",
    languages: Annotated[str | None, typer.Option(help=LANGUAGES)] = None,
    split: Annotated[str, typer.Option(help="Which part of the task's data.")] = "validation",
    max_examples: Annotated[int, typer.Option(min=1, max=10**9, help="Maximum number of inputs per language.")] = 20,
    steps: Annotated[int, typer.Option(min=1, max=65_536, help="Number of tokens of each text, from the start.")] = 12,
    corpus: Annotated[str | None, typer.Option(help=_CORPUS)] = None,
    data_dir: Annotated[Path, typer.Option(help=DATA)] = Path(),
    folder: Annotated[Path | None, typer.Option("--out", help="Where lens.json and the figures go.")] = None,
) -> None:
    """The decoder's logit lens: which language each layer is about to write, in its own text and in the reference."""
    from xlgen.analysis.collect_states import ChosenTexts, lenses
    from xlgen.core.languages import Language
    from xlgen.data.tasks import load_task
    from xlgen.report import probe_figures

    check_out(folder)
    check_distinct(models)
    chosen = ChosenTexts(load_task(task, data_dir), codes_of(languages), split, max_examples)
    text = _corpus(corpus)
    rows: list[dict[str, Any]] = []
    for name in models:
        with status(f"looking into {name}"):
            for found in lenses(name, chosen, Language.parse(source).code, steps, text):
                rows += found.rows()
    show(probe_figures.lens_table(rows))
    if folder:
        write(rows, folder / "lens.json")
        say(probe_figures.draw_layers(rows, folder / "lens.svg"))
        for language, kind in dict.fromkeys((row["language"], row["text"]) for row in rows):
            say(probe_figures.draw_lens(rows, language, kind, folder / f"lens-{language}-{kind}.svg"))


def _corpus(corpus: str | None) -> dict[str, Any] | None:
    from xlgen.core.yaml_config import parse_yaml

    found: Any = parse_yaml(corpus, "--corpus") if corpus else None
    if corpus and not isinstance(found, dict):
        raise InputError(f"--corpus must name a reader with its options, {{reader: pocket}}, and is {found!r}")
    return found
