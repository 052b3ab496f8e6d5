"""Runs from Python: train one, evaluate it, predict with it, export it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xlgen.api.rows import Rows
from xlgen.core.outputs import check_no_run, check_study_folder
from xlgen.core.progress import Progress
from xlgen.core.registry import InputError

if TYPE_CHECKING:
    from rich.console import Console

    from xlgen.core.config import Evaluation, Recipe, Sampling
    from xlgen.evaluation.export.run import Parity

Overrides = Mapping[str, Any] | Sequence[str]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Run:
    """The folder of a run, or of a study with several runs."""

    folder: Path
    decision: Path | None = None
    """Of a search (``auto=True``): the page that explains which run was chosen and why."""

    @property
    def metrics(self) -> Rows:
        """The scores of every evaluation, and their averages over the languages without labels (``mean-non-source``).

        Raises InputError if nothing has been evaluated yet.
        """
        from xlgen.runs.rows import collect

        return Rows(collect(self.folder))

    @property
    def checkpoints(self) -> list[Path]:
        """The folders of the checkpoints, in the order of their steps; of a search, the chosen one."""
        from xlgen.adaptation.checkpoints import checkpoints
        from xlgen.runs.files import CHOSEN

        chosen = self.folder / CHOSEN
        return list(checkpoints(self.folder / "checkpoints")) or ([chosen] if chosen.is_dir() else [])

    @property
    def recipe(self) -> Mapping[str, Any]:
        """The resolved recipe. Raises InputError if the folder is not a run."""
        from xlgen.runs.recipes import read_resolved

        return read_resolved(self.folder).recipe

    def report(self) -> Path:
        """Write ``report.html``, ``summary.json`` and ``tables/``; the path of the page."""
        return report(self.folder)


def folder_of(run: str | Path | Run) -> Path:
    """The folder of ``run``."""
    return run.folder if isinstance(run, Run) else Path(run)


def recipe_of(recipe: str | Path | Mapping[str, Any] | Recipe, overrides: Overrides = ()) -> Recipe:
    """The recipe that is shipped or in a file, or that a mapping describes, with ``overrides``. Raises InputError."""
    from xlgen.core.config import Recipe, load_recipe, validate
    from xlgen.core.yaml_config import override, override_keys

    assignments = () if isinstance(overrides, Mapping) else overrides
    if isinstance(recipe, Recipe):
        data: Any = recipe.model_dump(mode="json")
    elif isinstance(recipe, Mapping):
        data = {"name": "run", **recipe}
    else:
        loaded = load_recipe(str(recipe), assignments)
        if not isinstance(overrides, Mapping) or not overrides:
            return loaded
        data = loaded.model_dump(mode="json")
    changes = _in_stage(data, overrides) if isinstance(overrides, Mapping) else {}
    changed: Recipe = validate(Recipe, override_keys(override(data, assignments), changes), "the recipe")
    return changed


def _in_stage(data: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Dotted keys of a flat recipe, whose only stage has become a list of one."""
    from xlgen.core.config import Stage

    flat = "stages" in data and len(data["stages"]) == 1
    return {
        f"stages.0.{key}" if flat and key.partition(".")[0] in Stage.model_fields else key: value
        for key, value in changes.items()
    }


def train(
    recipe: str | Path | Mapping[str, Any] | Recipe,
    overrides: Overrides = (),
    *,
    out: str | Path,
    resume: bool = False,
    smoke: bool = False,
    auto: bool = False,
    hours: float | None = None,
    workers: int = 0,
    progress: Progress | None = None,
    console: Console | None = None,
    say: Say = lambda text: None,
) -> Run:
    """Train one run and evaluate it in every target language.

    Args:
        recipe: A shipped recipe, a YAML file, or its content.
        overrides: Keys to change, ``{"training.learning_rate": 1e-4}`` or ``["training.learning_rate=1e-4"]``.
        out: The run's folder.
        resume: Continue the run in ``out`` from its newest checkpoint.
        smoke: Train two steps a stage on a pocket backbone, with pocket tasks and text.
        auto: Search the method and the learning rate without target labels, and keep the best checkpoint.
        hours: With ``auto``: start no run that would end later.
        workers: With ``auto``: number of parallel runs; 0 is one a core.
        progress: Where progress is shown; by default nowhere.
        console: With ``auto``: where progress is shown.
        say: Receives a line about what begins.

    Raises:
        InputError: if the recipe, its data or ``out`` is wrong, before training starts.
        RunEndedError: if training diverged or was interrupted, or a search could not decide.
    """
    folder = Path(out)
    config = recipe_of(recipe, overrides)
    if not smoke:  # a smoke run replaces the tasks
        from xlgen.data.tasks import task_of_stage

        for stage in config.stages:
            task_of_stage(stage, Path(config.data_dir))
    check_no_run(folder, "--out")
    if auto:
        check_study_folder(folder)
    # All that can be refused without PyTorch has been: importing it takes seconds.
    say("loading libraries")
    if smoke:
        from xlgen.experiments.smoke import smoke_recipe, stand_in_identifiers

        for text in stand_in_identifiers([config]):
            say(text)
        config = smoke_recipe(config)
    if auto:
        from xlgen.experiments.auto import auto as decide
        from xlgen.report.decision import write_decision

        decision = decide(config, folder, workers or os.cpu_count() or 1, console or _quiet(), hours)
        return Run(folder, write_decision(decision, folder))
    from xlgen.training.run import train as run

    run(config, folder, resume, progress)
    return Run(folder)


def _quiet() -> Console:
    from rich.console import Console

    return Console(quiet=True)


def evaluate(
    model: str | Path | Run,
    *,
    task: str | None = None,
    languages: Sequence[str] = (),
    split: str = "test",
    max_examples: int | None = None,
    num_beams: int = 1,
    data_dir: str | Path | None = None,
    control: str | Mapping[str, Any] | None = None,
    precision: str = "fp32",
    cleanup: str | None = None,
    interpolate: Sequence[float] = (1.0,),
    lid: str | None = None,
    metric_options: Mapping[str, Mapping[str, Any]] | None = None,
    xlrs: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
    say: Say = lambda text: None,
) -> Evaluated:
    """Generate with a checkpoint, or predict labels, and score.

    Args:
        model: A run (its newest checkpoint), a checkpoint, or with ``task`` a backbone as it is.
        task: A task other than the one that the model was trained on.
        languages: Languages to evaluate; by default all of the task.
        split: The part of the task's data.
        max_examples: Maximum number of inputs of each language.
        num_beams: Beam size; 1 is greedy search.
        data_dir: Where the task's files are.
        control: Language control, a name or a mapping with its options.
        precision: Of the weights, ``fp32`` or ``bf16``.
        cleanup: ``leftovers``, ``phrases`` or ``substrings``; by default as in the run's recipe.
        interpolate: Shares of the finetuned weights, the rest pretrained; each is evaluated.
        lid: Language identifier; by default the task's.
        metric_options: Options of metrics, ``{"rouge": {"use_stemmer": True}}``.
        xlrs: Texts to measure XLRS on, as ``evaluation.xlrs`` of a recipe.
        out: Folder of the results; by default ``evaluations/`` in the run's folder.
        progress: Where progress is shown; by default nowhere.
        say: Receives a line about what begins.

    Raises:
        InputError: if a setting is wrong or ``model`` is not a model.
    """
    from xlgen.core.config import Evaluation, validate

    settings = {
        "split": split,
        "examples": max_examples,
        "num_beams": num_beams,
        "languages": tuple(languages),
        "control": control,
        "precision": precision,
        "lid": lid,
        "metric_options": metric_options or {},
        **({"cleanup": cleanup} if cleanup else {}),
        **({"xlrs": xlrs} if xlrs else {}),
    }
    config: Evaluation = validate(Evaluation, settings, "the options")
    path, place = folder_of(model), None if out is None else Path(out)
    data = None if data_dir is None else str(data_dir)
    # Imported once the options are known to be right: PyTorch takes seconds.
    from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
    from xlgen.evaluation.scored import evaluate_backbone, is_backbone

    say(f"reading inputs, and {path}")
    if is_backbone(path):
        if list(interpolate) != [1.0]:
            raise InputError("--interpolate is between pretrained and finetuned weights; a backbone has no others")
        rows, folder = evaluate_backbone(str(path), config, task, data, place, progress)
    else:
        rows, folder = evaluate_checkpoint(path, config, task, data, place, progress, interpolate)
    return Evaluated(Rows(rows), folder)


@dataclass(frozen=True)
class Evaluated:
    """The results of an evaluation."""

    metrics: Rows
    folder: Path
    """Where the predictions and ``summary.json`` are."""


def predict(
    model: str | Path | Run,
    input: str | Path,
    output: str | Path,
    *,
    language: str,
    num_beams: int = 1,
    control: str | Mapping[str, Any] | None = None,
    precision: str = "fp32",
    sampling: Mapping[str, Any] | None = None,
    say: Say = lambda text: None,
) -> int:
    """Generate text, or predict labels, for each row of a JSONL file; the number of rows.

    For texts in memory use :func:`xlgen.load` and ``Model.generate``.

    Args:
        model: A run (its newest checkpoint) or a checkpoint.
        input: JSONL with the fields of the task's template, or ``{"input": text}``; ``-`` is standard input.
        output: JSONL, which replaces an older file at the end; ``-`` is standard output.
        language: The language of inputs and outputs.
        num_beams: Beam size; 1 is greedy search.
        control: Language control, a name or a mapping with its options.
        precision: Of the weights, ``fp32`` or ``bf16``.
        sampling: Draw ``num_beams`` samples and write the best: ``{"temperature": 0.8, "top_p": 0.95}``.
        say: Receives the number of empty inputs.

    Raises:
        InputError: if a setting or a row is wrong; the outputs of the rows before it stay in ``OUTPUT.part``.
    """
    from xlgen.core.config import Sampling, validate

    draw: Sampling | None = validate(Sampling, sampling, "--sample") if sampling is not None else None
    chosen = dict(control) if isinstance(control, Mapping) else control
    from xlgen.evaluation.checkpoint_inference import predict_file

    path = folder_of(model)
    say(f"reading {path}")
    return predict_file(path, language, str(input), str(output), num_beams, chosen, draw, precision, say)


def export(
    model: str | Path | Run,
    to: str,
    out: str | Path,
    *,
    quantization: str | None = None,
    max_examples: int = 8,
) -> Parity:
    """Write a model for another library, and compare its outputs with those of the checkpoint.

    Args:
        model: A run (its newest checkpoint) or a checkpoint.
        to: The format (``xlgen list formats``).
        out: A new folder.
        quantization: With ``ctranslate2``: ``int8``, ``int16``, ``float16`` and others.
        max_examples: Number of validation inputs of each language to compare outputs on.

    Raises:
        InputError: if the model does not go with the format, or ``out`` exists; nothing is left in ``out`` then.
    """
    from xlgen.evaluation.export.run import export as write

    return write(folder_of(model), to, Path(out), quantization, max_examples)


def report(run: str | Path | Run) -> Path:
    """Write ``report.html``, ``summary.json`` and ``tables/`` of a run or a study; the path of the page.

    Raises InputError if the folder has no run, or no scores and no analyses.
    """
    from xlgen.report.build import build_report

    return build_report(folder_of(run))
