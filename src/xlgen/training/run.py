"""A run told as a story: check everything, load, adapt, train, evaluate, save."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch.optim import Optimizer

from xlgen.adaptation.base import Method, build_method, trainable_parameters
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone, BackboneError
from xlgen.config import Recipe, Stage
from xlgen.data.batches import BatchStream
from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task, load_task
from xlgen.metrics.score import choose
from xlgen.registry import InputError
from xlgen.training import checkpoints as store
from xlgen.training.baselines import run_baseline
from xlgen.training.evaluation import evaluate, evaluation_examples, score_rows, write_predictions
from xlgen.training.folder import RunFolder, open_run
from xlgen.training.loop import StepResult, train_loop
from xlgen.training.mixture import DataReport, build_stream
from xlgen.training.optimizer import build_optimizer
from xlgen.training.progress import NoProgress, Progress
from xlgen.training.stopping import stop_signal
from xlgen.training.tracking import Tracker


class InterruptedRunError(RuntimeError):
    """The run was asked to stop; it saved a checkpoint first."""


def train(recipe: Recipe, out: Path, resume: bool = False, progress: Progress | None = None) -> RunFolder:
    """Run ``recipe`` into the folder ``out`` and return the folder.

    Raises InputError for anything wrong with the input, before training; TrainingDivergedError; InterruptedRunError
    after Ctrl-C, when a checkpoint has been saved.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=_scaled(recipe))
    progress = progress if progress and accelerator.is_main_process else NoProgress()
    tasks = check(recipe)
    if recipe.baseline is not None:
        return run_baseline(recipe, tasks[-1], open_run(out, recipe, resume))
    with accelerator.main_process_first():
        folder = open_run(out, recipe, resume or not accelerator.is_main_process)
    name, earlier = recipe.backbone.name, None
    for index, stage in enumerate(recipe.stages):
        place = folder.stage(index, len(recipe.stages))
        last = index == len(recipe.stages) - 1
        # A stage leaves a whole model behind or, on the backbone it had itself, the modules that it inserted.
        leaves_model = not (last or build_method(stage.adaptation).adds_modules)
        if not ((place / "model").exists() or (not last and _finished(place, stage))):
            _Run(recipe, stage, tasks[index], name, place, index, folder, accelerator, progress, earlier).execute(
                keep_whole=leaves_model
            )
        name, earlier = (str(place / "model"), None) if leaves_model else (name, place)
    if accelerator.is_main_process:
        folder.set_state(stage=len(recipe.stages) - 1, step=recipe.stages[-1].training.steps, status="done")
    return folder


def check(recipe: Recipe) -> list[Task | None]:
    """Everything that can be wrong with a recipe and is cheap to find; returns the stages' tasks. Raises InputError."""
    tasks: list[Task | None] = []
    for index, stage in enumerate(recipe.stages):
        method = build_method(stage.adaptation)
        following = recipe.stages[index + 1 : index + 2]
        if method.adds_modules and not all(build_method(other.adaptation).continues for other in following):
            raise BackboneError(
                f"stage {index}: {stage.adaptation['method']} adds modules, and {following[0].adaptation['method']} in "
                "the next stage cannot go on from them"
            )
        task = load_task(stage.task, Path(recipe.data_dir)) if stage.task else None
        if task is not None:
            task.check_languages((*stage.source_languages, *stage.evaluation.languages))
            list(choose(task.config.metrics))
        tasks.append(task)
    return tasks


def _finished(place: Path, stage: Stage) -> bool:
    """Whether a stage that leaves no model has its last checkpoint."""
    found = store.checkpoints(place / "checkpoints")
    leaves_none = build_method(stage.adaptation).adds_modules
    return leaves_none and bool(found) and store.read_about(found[-1]).step == stage.training.steps


def _scaled(recipe: Recipe) -> str:
    """Only fp16 needs Accelerate's gradient scaling; bf16 is an autocast in the loop, stage by stage."""
    if all(stage.training.precision != "fp16" for stage in recipe.stages):
        return "no"
    if not torch.cuda.is_available():
        raise InputError("precision fp16 needs a GPU; use bf16 or fp32 here")
    return "fp16"


@dataclass
class _Run:
    """One stage of a run."""

    recipe: Recipe
    stage: Stage
    task: Task | None
    backbone_name: str
    place: Path
    index: int
    folder: RunFolder
    accelerator: Accelerator
    progress: Progress
    earlier: Path | None = None
    backbone: Backbone = field(init=False)
    method: Method = field(init=False)
    tracker: Tracker = field(init=False)
    examples: dict[str, list[LabelledExample]] = field(init=False, default_factory=dict)

    def execute(self, keep_whole: bool) -> None:
        """The story of a stage."""
        training = self.stage.training
        # 1. Load the backbone; refuse first what it cannot do.
        set_seed(self.recipe.seed)
        self.examples = self._evaluation_examples()
        self.backbone = self._load()
        # 2. Adapt it.
        self.method = build_method(self.stage.adaptation)
        self.method.prepare(self.backbone)
        # 3. Make the batches.
        stream, report = build_stream(self.recipe, self.stage, self.task, self.backbone)
        for part in stream.parts:
            self.method.check_data(part.task, part.languages)
        for code in self.examples:
            self.method.set_language(self.backbone, code)  # a language it cannot speak is an error now, not later
        # 4. Open the log, and find out how far an earlier attempt came.
        self.place.mkdir(parents=True, exist_ok=True)
        self.tracker = Tracker(self.place / "metrics.jsonl", self.accelerator.is_main_process)
        found = store.checkpoints(self.place / "checkpoints")
        first = store.read_about(found[-1]).step if found else 0
        if found:
            store.restore(found[-1], self.backbone, self.method)
        else:
            self.method.begin(self.backbone, self.earlier)
        # 5. Hand model and optimizer to the device and the processes.
        optimizer = build_optimizer(self.backbone.model.parameters(), training)
        model, optimizer = self.accelerator.prepare(self.backbone.model, optimizer)
        torch.manual_seed(self.recipe.seed)
        if found:
            stream.restore(store.load_resume(found[-1], optimizer)["stream"])
        self.tracker.cut_after(first if found else -1)
        if not found:
            self._log_start(report)
        # 6. Train; log, evaluate and save on the way.
        self._train(model, optimizer, stream, first)
        # 7. Leave a whole model for the next stage to start from.
        if keep_whole and self.accelerator.is_main_process:
            self._save_model()
        self.accelerator.wait_for_everyone()

    def _train(self, model: torch.nn.Module, optimizer: Optimizer, stream: BatchStream, first: int) -> None:
        """The loop, with what happens after each of its steps. Raises InterruptedRunError after Ctrl-C."""
        training = self.stage.training
        started = time.monotonic()
        bar = self.progress.task("training", training.steps, first)
        with stop_signal() as stop:

            def after_step(result: StepResult) -> None:
                self._log_step(result, started, first)
                bar(1)
                ends = result.step == training.steps
                if self._evaluates_at(result.step):
                    self._evaluate(result.step)
                if ends or stop() or self._saves_at(result.step):
                    self._save(result.step, stream.state(), optimizer)
                if stop() and not ends:
                    self.folder.set_state(stage=self.index, step=result.step, status="interrupted")
                    raise InterruptedRunError(
                        f"stopped after step {result.step}; a checkpoint is saved. "
                        "Go on with the same command and --resume"
                    )

            train_loop(
                self.backbone, self.method, model, optimizer, stream, training, self.accelerator, first, after_step
            )

    def _save_model(self) -> None:
        """A folder like any pretrained checkpoint's; it appears whole or not at all."""
        temporary = self.place / "model.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        self.backbone.model.save_pretrained(temporary)
        self.backbone.tokenizer.save_pretrained(temporary)
        temporary.rename(self.place / "model")

    def _evaluation_examples(self) -> dict[str, list[LabelledExample]]:
        return evaluation_examples(self.task, self.stage.evaluation) if self.task else {}

    def _load(self) -> Backbone:
        languages = tuple(self.examples)
        if self.task is not None:
            languages = (*self.task.check_languages(self.stage.source_languages), *languages)
        backbone = loading.load(
            self.backbone_name,
            languages=languages,
            allow_unknown=self.recipe.backbone.unknown_languages == "allow",
            precision=self.stage.training.precision,
            init=self.recipe.backbone.init if self.index == 0 else "pretrained",
            seed=self.recipe.seed,
        )
        if self.stage.training.dropout is not None:
            set_dropout(backbone.model, self.stage.training.dropout)
        return backbone

    def _log_start(self, report: DataReport | None) -> None:
        parameters = sum(p.numel() for p in self.backbone.model.parameters())
        self.tracker.log(
            "start",
            0,
            parameters=parameters,
            trainable=trainable_parameters(self.backbone.model),
            data=asdict(report) if report else None,
            processes=self.accelerator.num_processes,
            device=str(self.accelerator.device),
        )

    def _log_step(self, result: StepResult, started: float, first: int) -> None:
        every = self.stage.training.log_every
        if result.step % every == 0 or result.step in (1, self.stage.training.steps):
            fields = {key: value for key, value in asdict(result).items() if key != "step"}
            rate = (result.step - first) / (time.monotonic() - started)
            self.tracker.log("step", result.step, **fields, steps_per_second=round(rate, 3))

    def _evaluates_at(self, step: int) -> bool:
        every, steps = self.stage.evaluation.every, self.stage.training.steps
        return bool(self.examples) and (step == steps or (every is not None and step % every == 0))

    def _saves_at(self, step: int) -> bool:
        every = self.stage.training.save_every
        return step % every == 0 if every else self._evaluates_at(step)

    def _evaluate(self, step: int) -> None:
        assert self.task is not None
        count = sum(map(len, self.examples.values())) // self.accelerator.num_processes
        bar = self.progress.task(f"evaluating at step {step}", count, 0)
        rows = evaluate(
            self.backbone, self.method, self.task, self.stage.evaluation, self.examples, self.accelerator, bar
        )
        if self.accelerator.is_main_process:
            write_predictions(self.place / "predictions" / f"step-{step}", rows)
            for language, found in rows.items():
                cropped = sum(row["cropped_tokens"] > 0 for row in found)
                self.tracker.log("evaluated", step, language=language, examples=len(found), cropped_sources=cropped)
                for row in score_rows(found, self.task, language, self.stage.evaluation.bootstrap):
                    self.tracker.log("figure", step, **asdict(row))
        self.accelerator.wait_for_everyone()

    def _save(self, step: int, stream: dict[str, Any], optimizer: Any) -> None:
        if self.accelerator.is_main_process:
            folder = self.place / "checkpoints"
            before = store.checkpoints(folder)
            about = store.About(
                step=step,
                backbone=self.backbone_name,
                adaptation=self.stage.adaptation,
                task=self.stage.task,
                data_dir=self.recipe.data_dir,
                allow_unknown=self.recipe.backbone.unknown_languages == "allow",
            )
            target = folder / f"step-{step}"
            store.save_checkpoint(target, self.backbone, self.method, about, {"stream": stream}, optimizer)
            for path in before:
                store.forget_resume(path)
            keep = self.stage.training.keep_checkpoints
            for path in store.checkpoints(folder)[: -keep or None] if keep else []:
                store.remove(path)
            self.folder.set_state(stage=self.index, step=step, status="running")
        self.accelerator.wait_for_everyone()


def set_dropout(model: torch.nn.Module, probability: float) -> None:
    """Give every dropout of ``model`` the same probability."""
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = probability
        # mBART and M2M-100 call the functional form with these attributes.
        for name in ("dropout", "attention_dropout", "activation_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, probability)
