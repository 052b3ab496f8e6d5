"""Analyses of the states of models on texts: CKA, probes and the logit lens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from xlgen.api.analyze.analyzed import (
    Analyzed,
    Say,
    Source,
    check_out,
    names_of,
    parallel_text,
    result,
    silent,
)
from xlgen.api.arguments import codes_of
from xlgen.core.arguments import argument
from xlgen.core.extras import require
from xlgen.core.json_types import JsonMapping, JsonObject, JsonValue
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from xlgen.analysis.layer_states import LayerStates

_TASK = "pocket-summaries"
"""The default task."""


def cka(
    first: Source,
    second: Source | None = None,
    *,
    texts: str | Path | JsonMapping | None = None,
    languages: Sequence[str] = (),
    max_examples: int | None = None,
    data_dir: str | Path = ".",
    relative_depth: bool = False,
    unknown_languages: bool = False,
    batch_size: int = 256,
    epochs: int = 1,
    seed: int = 0,
    biased: bool = False,
    out: str | Path | None = None,
    status: Say = silent,
) -> Analyzed:
    """Compute CKA between two models for each layer and language, or between the languages of one model by layer.

    Args:
        first: A model.
        second: Another model. Without it, the languages of ``first`` are compared.
        texts: Parallel text as ``evaluation.xlrs`` of a recipe: a mapping, YAML or a YAML file; by default the pocket
            world.
        languages: Language codes; by default all that the texts and the model have.
        max_examples: Maximum number of sentences.
        data_dir: The folder that relative paths in ``texts`` start from.
        relative_depth: Compare models of different depths, each layer with the one at the same relative depth.
        unknown_languages: Allow languages that a backbone without language codes does not know.
        batch_size: Number of sentences in a batch, at least 4.
        epochs: Number of times that the sentences are split into batches.
        seed: Seed of the batches.
        biased: Use the biased HSIC estimator on all sentences at once, as Ji et al. (2024) do with 80 sentences.
        out: Folder for ``cka.json`` and the heat maps.
        status: Called with the name of the current step.

    Raises:
        InputError: if texts are not parallel, the layers do not match, or states are not finite.
    """
    require("train", "this analysis")
    check_out(out)
    names = names_of([first] if second is None else [first, second])
    config, codes = parallel_text(texts, max_examples), codes_of(languages)
    from xlgen.analysis.cka import CKASettings
    from xlgen.analysis.open_model import represent
    from xlgen.analysis.similarity import compare_states

    settings = CKASettings(batch_size, epochs, seed, "biased" if biased else "unbiased")
    status("reading states")
    states = [represent(name, config, codes, Path(data_dir), unknown_languages) for name in names]
    found = compare_states(states[0], states[1] if len(states) > 1 else None, settings, relative_depth)
    return result("cka", found.rows(), found.tables(), found.figures(), out=out)


def probe(
    models: Sequence[Source],
    *,
    task: str | Path | None = None,
    texts: str | Path | JsonMapping | None = None,
    languages: Sequence[str] = (),
    split: str = "validation",
    max_examples: int = 100,
    unknown_languages: bool = False,
    l2: float = 1.0,
    seed: int = 0,
    data_dir: str | Path = ".",
    out: str | Path | None = None,
    status: Say = silent,
) -> Analyzed:
    """Measure how well a linear classifier predicts the language from the states of each encoder and decoder layer.

    Args:
        models: One model, or several to compare.
        task: A task with parallel inputs, by name or as a YAML file; by default ``pocket-summaries``.
        texts: Instead of a task, for the encoder alone: parallel text as for :func:`cka`.
        languages: Language codes; by default all.
        split: Split of the task's data.
        max_examples: Maximum number of inputs of each language, at least 4.
        unknown_languages: Allow languages that a backbone without language codes does not know.
        l2: Weight of the L2 penalty, above 0: 1 / C in scikit-learn.
        seed: Seed of the split and the shuffled labels.
        data_dir: The folder of the task's files, or the one that relative paths in ``texts`` start from.
        out: Folder for ``probe.json`` and ``probe.svg``.
        status: Called with the name of the current step.

    Raises:
        InputError: if texts are not parallel, there are too few, or a model cannot read them.
    """
    require("train", "this analysis")
    check_out(out)
    names, codes = names_of(models), codes_of(languages)
    if texts is not None and task is not None:
        raise InputError("task and texts are both given; leave one of them out")
    from xlgen.data.tasks import load_task

    where = Path(data_dir)
    # Options are checked before PyTorch is imported, which takes seconds.
    if texts is None:
        loaded = load_task(str(task or _TASK), where)
        from xlgen.analysis.collect_states import ChosenTexts, states_of

        chosen = ChosenTexts(loaded, codes, split, max_examples, unknown_languages)

        def read(name: str) -> dict[str, LayerStates]:
            return states_of(name, chosen)

    else:
        corpus = parallel_text(texts, max_examples)
        from xlgen.analysis.open_model import represent

        def read(name: str) -> dict[str, LayerStates]:
            return {"encoder": represent(name, corpus, codes, where, unknown_languages)}

    from xlgen.analysis.probes import ProbeSettings, probe_figure, probe_tables
    from xlgen.analysis.probes import probe as probe_states

    rows: list[JsonObject] = []
    for name in names:
        status(f"reading states of {name}")
        parts = read(name)
        status(f"probing {name}")
        for part, states in parts.items():
            rows += probe_states(states, part, ProbeSettings(l2, seed=seed)).rows()
    return result("probe", rows, probe_tables(rows), [probe_figure(rows)], out=out)


def lens(
    models: Sequence[Source],
    *,
    task: str | Path = _TASK,
    source: str = "en",
    languages: Sequence[str] = (),
    split: str = "validation",
    max_examples: int = 20,
    steps: int = 12,
    corpus: str | Path | JsonMapping | None = None,
    data_dir: str | Path = ".",
    out: str | Path | None = None,
    status: Say = silent,
) -> Analyzed:
    """Apply the logit lens: the language of the next token at each decoder layer.

    Args:
        models: One model, or several to compare.
        task: A task, by name or as a YAML file.
        source: Language of the labels.
        languages: The other languages; by default all of the task.
        split: Split of the task's data.
        max_examples: Maximum number of inputs of each language.
        steps: Number of tokens from the start of each text.
        corpus: Unlabelled text by which tokens are assigned to languages, such as ``{"name": "pocket"}``. By default,
            they are assigned by script, which cannot distinguish source and target if both have the same script.
        data_dir: The folder of the task's files and of the corpus.
        out: Folder for ``lens.json`` and the plots.
        status: Called with the name of the current step.

    Raises:
        InputError: if a model has no decoder, or two languages cannot be distinguished.
    """
    require("train", "this analysis")
    check_out(out)
    names = names_of(models)
    from xlgen.core.yaml_config import yaml_setting

    text: JsonValue = None if corpus is None else yaml_setting(corpus, argument("corpus"))
    if corpus is not None and not isinstance(text, Mapping):
        raise InputError(f"{argument('corpus')} must name a reader with its options, {{name: pocket}}, and is {text!r}")
    from xlgen.core.languages import Language
    from xlgen.data.tasks import load_task

    loaded, code = load_task(str(task), Path(data_dir)), Language.parse(source).code
    from xlgen.analysis.collect_states import ChosenTexts, lenses
    from xlgen.analysis.lens import lens_figures, lens_tables

    chosen = ChosenTexts(loaded, codes_of(languages), split, max_examples)
    rows: list[JsonObject] = []
    for name in names:
        status(f"reading states of {name}")
        for found in lenses(name, chosen, code, steps, text):
            rows += found.rows()
    return result("lens", rows, lens_tables(rows), lens_figures(rows), out=out)
