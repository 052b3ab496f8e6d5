"""One stage of a run, told as a story: load, adapt, train, evaluate, save."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, set_seed
from torch.optim import Optimizer

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method, trainable_parameters
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.checking import WeightsError
from xlgen.backbones.heads import head_of
from xlgen.backbones.training_modules import checkpoint_layers, make_faster, set_dropout
from xlgen.core.config import Recipe, Stage
from xlgen.core.interrupt import stop_signal
from xlgen.core.languages import Language
from xlgen.core.progress import TRAINING, Progress
from xlgen.data.batches import BatchStream, StreamState
from xlgen.data.examples import LabelledExample
from xlgen.data.prefetch import Prefetched, prefetched
from xlgen.data.tasks import Task
from xlgen.evaluation.coverage import Coverage, measure_examples, report_coverage
from xlgen.evaluation.evaluate import empty_inputs, evaluate, evaluation_examples, score_rows, write_predictions
from xlgen.evaluation.xlrs_tracking import ParallelTexts, read_parallel
from xlgen.metrics.score import Row
from xlgen.runs.checkpoint_description import About
from xlgen.runs.event_log import Tracker
from xlgen.runs.folder import RunFolder
from xlgen.runs.paths import RunPaths
from xlgen.training.agreement import about_of, check_resumable, init_of
from xlgen.training.loop import StepResult, TrainingDivergedError, train_loop
from xlgen.training.mixture import DataReport, build_stream, text_examples
from xlgen.training.optimizer import PlateauScheduler, build_optimizer, mean_of
from xlgen.training.pace import Pace
from xlgen.training.penalties import Penalty
from xlgen.training.retention import best_on_source, tidy
from xlgen.training.step_end import StepEnd, until_stopped
from xlgen.training.trackers import TrackerLogger

# Batches that are made ahead for an accelerator: more than a window of examples gives, which is made at once.
_AHEAD = 256


@dataclass
class StageRun:
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
    watch: TrackerLogger
    earlier: Path | None = None
    until: int | None = None
    """The step to pause after; None: the last one."""
    backbone: Backbone = field(init=False)
    method: Method = field(init=False)
    tracker: Tracker = field(init=False)
    reduction: PlateauScheduler = field(init=False)
    examples: dict[str, list[LabelledExample]] = field(init=False, default_factory=dict)
    parallel: ParallelTexts | None = field(init=False, default=None)

    def execute(self, keep_whole: bool) -> None:
        """The story of a stage."""
        training = self.stage.training
        # 1. Load the backbone; refuse first what it cannot do.
        set_seed(self.recipe.seed)
        self.examples = self._evaluation_examples()
        self.backbone = self._load()
        # 2. Adapt it.
        self.method: Method = self.stage.adaptation.build()
        self.method.prepare(self.backbone, self.recipe.seed)
        # 3. Make the batches.
        given = self.recipe, self.stage, self.task, self.backbone, self.place, self.progress
        stream, report, coverage = build_stream(*given)
        for part in stream.parts:
            self.method.check_data(part.task, part.languages)
        if self.task is not None:
            coverage["evaluation"] = measure_examples(self.examples, self.backbone, self.task.config.head is None)
        for code in self.examples:
            self.method.set_language(self.backbone, code)  # a language it cannot speak is an error now, not later
        self.method.begin(self.backbone, self.earlier)
        penalty = self._penalty()
        self.parallel = self._parallel_texts()
        # 4. Open the log, and find out how far an earlier attempt came.
        self.place.mkdir(parents=True, exist_ok=True)
        found = store.checkpoints(RunPaths(self.place).checkpoints)
        self._due = bool(found) and store.evaluation_due(found[-1])
        first = self._first(found[-1]) if found else 0
        tell = self.watch.stage(self.index, first)
        self.tracker = Tracker(RunPaths(self.place).log_file, self.accelerator.is_main_process, tell)
        if found:
            store.restore(found[-1], self.backbone, self.method)
        # 5. Hand model and optimizer to the device and the processes.
        self.reduction = PlateauScheduler(training.plateau)
        optimizer = build_optimizer(self.backbone.model.named_parameters(), training, self.backbone.depth)
        model, optimizer = self.accelerator.prepare(self.backbone.model, optimizer)
        torch.manual_seed(self.recipe.seed)
        if found:
            saved = store.load_resume(found[-1], optimizer, len(stream.parts))
            saved |= store.after_evaluation(found[-1])
            stream.restore(saved["stream"])
            self.reduction.restore(saved["reduction"])
        if self.accelerator.is_main_process:  # what is made again is not done
            self.folder.set_state(stage=self.index, step=first, status="running")
        self.tracker.cut_after(first if found else -1, self._due)
        if self.accelerator.is_main_process:
            tidy(self.place, self.stage, self.task)
        if not found:
            self._log_start(report, coverage)
            if self.examples and self.stage.evaluation.at_start:
                self.evaluate(0, lambda: False)
                torch.manual_seed(self.recipe.seed)  # training is what it would be without
        # 6. Train; log, evaluate and save on the way.
        with prefetched(stream, self._depth()) as batches:
            self._train(model, optimizer, batches, first, penalty)
        # 7. Leave a whole model for the next stage to start from.
        if keep_whole and self.accelerator.is_main_process:
            if training.next_from == "best":
                store.restore(best_on_source(self.place), self.backbone, self.method)
            store.save_model(self.place / "model", self.backbone)
        self.accelerator.wait_for_everyone()

    def _train(
        self,
        model: torch.nn.Module,
        optimizer: Optimizer,
        stream: BatchStream | Prefetched,
        first: int,
        penalty: Penalty | None,
    ) -> None:
        """The loop, with what happens after each of its steps. Raises InterruptedRunError after Ctrl-C."""
        training = self.stage.training
        last = min(self.until or training.steps, training.steps)
        pace = Pace(first)
        bar = self.progress.task(TRAINING if self.examples else "training on text", training.steps, first)
        with stop_signal() as stop:

            def after_step(result: StepResult) -> None:
                self._log_step(result, pace)
                bar(1)
                with pace.paused():
                    finish(result.step)

            finish = StepEnd(self, last, stop, stream, optimizer)
            if self._due:
                finish.evaluate_saved(first)
            train_loop(
                self.backbone,
                self.method,
                model,
                optimizer,
                stream,
                training,
                self.accelerator,
                range(first, last),
                after_step,
                penalty,
                lambda: self.reduction.factor,
                by_part=(self.task is not None) + len(self.stage.unlabelled) > 1,
            )

    def _depth(self) -> int:
        """How many batches are made ahead."""
        usual = 0 if self.accelerator.device.type == "cpu" else _AHEAD
        return usual if self.stage.training.prefetch is None else self.stage.training.prefetch

    def _penalty(self) -> Penalty | None:
        """The stage's penalty, measured from where training starts."""
        if self.stage.penalty is None:
            return None
        penalty: Penalty = self.stage.penalty.build()
        penalty.prepare(self.backbone, text_examples(self.recipe, self.backbone))
        return penalty

    def _parallel_texts(self) -> ParallelTexts | None:
        config, pivot = self.stage.evaluation.xlrs, Language.parse(self.stage.source_languages[0]).code
        if config is None or not self.examples:
            return None
        allow_unknown = self.recipe.backbone.unknown_languages == "allow"
        folder = Path(self.recipe.data_dir)
        return read_parallel(config, self.backbone, tuple(self.examples), pivot, folder, allow_unknown)

    def _evaluation_examples(self) -> dict[str, list[LabelledExample]]:
        if self.task is None:
            return {}
        return evaluation_examples(self.task, self.stage.evaluation, self.stage.source_languages)

    def _about(self, step: int) -> About:
        return about_of(self.recipe, self.index, self.task, self.backbone_name, step)

    def _first(self, newest: Path) -> int:
        """The step to continue from. Raises InputError where a checkpoint is not of this run."""
        saved = store.read_about(newest)
        check_resumable(newest, saved, self._about(saved.step), self.task, self.backbone)
        return saved.step

    def _load(self) -> Backbone:
        languages = tuple(self.examples)
        if self.task is not None:
            languages = (*self.task.check_languages(self.stage.source_languages), *languages)
        backbone = loading.load(
            self.backbone_name,
            languages=languages,
            allow_unknown=self.recipe.backbone.unknown_languages == "allow",
            precision=self.stage.training.precision,
            init=init_of(self.recipe, self.index),
            seed=self.recipe.seed,
            head=head_of(self.task.config.head) if self.task is not None else None,
        )
        if self.accelerator.device.type == "cpu":
            make_faster(backbone)
        if self.stage.training.gradient_checkpointing:
            checkpoint_layers(backbone.model)
        if self.stage.training.dropout is not None:
            set_dropout(backbone.model, self.stage.training.dropout)
        return backbone

    def _log_start(self, report: DataReport | None, coverage: dict[str, dict[str, Coverage]]) -> None:
        parameters = sum(p.numel() for p in self.backbone.model.parameters())
        self.tracker.log(
            "start",
            0,
            parameters=parameters,
            trainable=trainable_parameters(self.backbone.model),
            data=asdict(report) if report else None,
            coverage=report_coverage(coverage, self.backbone_name),
            processes=self.accelerator.num_processes,
            device=str(self.accelerator.device),
        )

    def _log_step(self, result: StepResult, pace: Pace) -> None:
        every = self.stage.training.log_every
        if result.step % every == 0 or result.step in (1, self.stage.training.steps):
            fields = {key: value for key, value in asdict(result).items() if key != "step" and value is not None}
            self.tracker.log("step", result.step, **fields, steps_per_second=round(pace.rate(result.step), 3))

    def evaluates_at(self, step: int) -> bool:
        """Whether ``step`` ends in an evaluation."""
        every, steps = self.stage.evaluation.every, self.stage.training.steps
        return bool(self.examples) and (step == steps or (every is not None and step % every == 0))

    def saves_at(self, step: int) -> bool:
        """Whether ``step`` ends in a checkpoint."""
        return step % every == 0 if (every := self.stage.training.save_every) else self.evaluates_at(step)

    def evaluate(self, step: int, stop: Callable[[], bool]) -> None:
        """Generate and score. Raises InterruptedRunError where the run is asked to stop meanwhile, and
        TrainingDivergedError."""
        assert self.task is not None
        evaluation = self.stage.evaluation
        count = sum(map(len, self.examples.values())) // self.accelerator.num_processes
        bar = until_stopped(self, step, self.progress.task(f"evaluating at step {step}", count, 0), stop)
        pivot = Language.parse(self.stage.source_languages[0]).code
        given = self.backbone, self.method, self.task, evaluation, self.examples, self.accelerator, bar, pivot
        try:
            rows = evaluate(*given)
        except WeightsError as error:  # the step before has left them so
            raise TrainingDivergedError(str(error)) from None
        settings = evaluation.bootstrap, evaluation.lid, evaluation.metric_options
        context = self.stage.source_languages, evaluation.split
        scored: dict[str, list[Row]] = {}
        if self.accelerator.is_main_process:
            write_predictions(RunPaths(self.place).predictions_at(step), rows)
            for language, found in rows.items():
                cropped = sum(row["cropped_tokens"] > 0 for row in found)
                counts = {"examples": len(found), "cropped_sources": cropped, "empty_inputs": empty_inputs(found)}
                self.tracker.log("evaluated", step, language=language, **counts)
                scored[language] = score_rows(found, self.task, language, *settings, *context)
            for language, similarity in self._similarities(step).items():
                scored.setdefault(language, []).append(similarity)
            for found_rows in scored.values():
                for row in found_rows:
                    self.tracker.log("figure", step, **asdict(row))
        self._observe(step, scored)

    def _similarities(self, step: int) -> dict[str, Row]:
        """XLRS by language, on parallel texts of its own; what that took goes to the log."""
        if self.parallel is None:
            return {}
        started, evaluation = time.monotonic(), self.stage.evaluation
        found = self.parallel.measure(self.backbone, self.method, evaluation.precision, evaluation.bootstrap)
        self.tracker.log("xlrs", step, texts=len(self.parallel.ids), seconds=round(time.monotonic() - started, 3))
        return found

    def _observe(self, step: int, scored: dict[str, list[Row]]) -> None:
        """Tell the plateau, in every process alike; where no language is without labels, all languages count."""
        plateau = self.stage.training.plateau
        if plateau is None or step == 0:
            self.accelerator.wait_for_everyone()
            return
        sources = {Language.parse(text).code for text in self.stage.source_languages}
        chosen = [code for code in scored if code not in sources] or list(scored)
        values = [row.value for code in chosen for row in scored[code] if row.metric == plateau.metric]
        shared = broadcast_object_list([mean_of(plateau.metric, values) if scored else None])
        self.reduction.observe(shared[0])

    def save(
        self, step: int, stream: StreamState, optimizer: Optimizer, due: bool = False, passing: bool = False
    ) -> None:
        """Save a checkpoint; ``due``: its evaluation is still to be made; ``passing``: until there is a newer one."""
        if self.accelerator.is_main_process:
            about = self._about(step)
            target = RunPaths(self.place).checkpoint(step)
            resume = {"stream": stream, "reduction": self.reduction.state()}
            store.save_checkpoint(target, self.backbone, self.method, about, resume, optimizer, due, passing)
            tidy(self.place, self.stage, self.task)
            self.folder.set_state(stage=self.index, step=step, status="evaluating" if due else "running")
        self.accelerator.wait_for_everyone()
