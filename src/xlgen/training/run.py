"""A run: everything is checked first, then stage follows stage."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from filelock import FileLock

from xlgen.adaptation import checkpoints as store
from xlgen.adaptation.base import Method
from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import resolve
from xlgen.core.arguments import argument
from xlgen.core.config import Recipe, Stage
from xlgen.core.outputs import undone_after_errors
from xlgen.core.progress import NoProgress, Progress
from xlgen.core.registry import InputError
from xlgen.core.version import VERSION
from xlgen.data.tasks import Task, task_of_stage
from xlgen.evaluation.checks import check_plateau, check_scoring
from xlgen.evaluation.evaluate import control_of
from xlgen.evaluation.head_inference import check_stages
from xlgen.evaluation.xlrs_tracking import check_parallel
from xlgen.runs.event_log import write_atomically
from xlgen.runs.folder import RunFolder, lock_run, nothing_left_if_refused, open_run
from xlgen.runs.paths import RunPaths
from xlgen.training.baselines import run_baseline
from xlgen.training.loop import TrainingDivergedError
from xlgen.training.mixture import chosen
from xlgen.training.precision import decide, slow_precision
from xlgen.training.retention import best_on_source
from xlgen.training.stage import StageRun
from xlgen.training.trackers import TrackerLogger, check_trackers
from xlgen.training.translate_train import targets_of

log = logging.getLogger(__name__)


def train(
    recipe: Recipe, out: Path, resume: bool = False, progress: Progress | None = None, until: int | None = None
) -> RunFolder:
    """Run ``recipe`` into the folder ``out`` and return the folder.

    ``until``: pause after this step of the last stage, to go on another time as if there had been no pause.

    Raises InputError for anything wrong with the input, before training; TrainingDivergedError; InterruptedRunError
    after Ctrl-C, SIGTERM or a closed terminal, when a checkpoint has been saved; FolderError where another process
    trains in ``out``.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=_scaled(recipe))
    recipe = broadcast_object_list([decide(recipe, out)])[0]
    progress = progress if progress and accelerator.is_main_process else NoProgress()
    tasks = check(recipe)
    if accelerator.is_main_process and (slow := slow_precision(recipe)):
        log.warning(slow)
    alone = accelerator.is_main_process
    with lock_run(out) if alone else nullcontext(), nothing_left_if_refused(out) if alone else nullcontext():
        with accelerator.main_process_first():
            folder = open_run(out, recipe, resume or not accelerator.is_main_process)
        if _is_finished(recipe, folder):
            progress.say(
                f"{out} is finished: all {recipe.stages[-1].training.steps} steps are done, and nothing is left to "
                f"resume. Evaluate it with `xlgen evaluate {out}`; for more steps, start a run with a larger "
                f"training.steps in another {argument('out')}"
            )
            return folder
        with closing(TrackerLogger(accelerator, recipe, out)) as watch:
            if recipe.baseline is not None:
                return run_baseline(recipe, tasks[-1], folder, progress, watch)
            _train_stages(recipe, tasks, folder, accelerator, progress, watch, until)
        _end(recipe, folder, accelerator, until)
    return folder


def _end(recipe: Recipe, folder: RunFolder, accelerator: Accelerator, until: int | None) -> None:
    """Write down how far the run has come."""
    steps = recipe.stages[-1].training.steps
    if accelerator.is_main_process:
        # It may have come further another time.
        step = min(steps, max(until or steps, folder.state.step or 0))
        folder.set_state(stage=len(recipe.stages) - 1, step=step, status="done" if step == steps else "paused")


def _train_stages(
    recipe: Recipe,
    tasks: Sequence[Task | None],
    folder: RunFolder,
    accelerator: Accelerator,
    progress: Progress,
    watch: TrackerLogger,
    until: int | None,
) -> None:
    name, earlier = recipe.backbone.name, None
    for index, stage in enumerate(recipe.stages):
        last = index == len(recipe.stages) - 1
        with _place(recipe, index, folder, accelerator) as place:
            # A stage leaves a whole model behind or, on the backbone it had itself, the modules that it inserted.
            leaves_model = not (last or stage.adaptation.build().adds_modules)
            if not ((place / "model").exists() or (not last and _finished(place, stage))):
                reading = "" if tasks[index] is None else "what is evaluated, and "
                progress.say(f"{f'stage {index}: ' if index else ''}reading {reading}the backbone {name}")
                try:
                    StageRun(
                        recipe, stage, tasks[index], name, place, index, folder, accelerator, progress, watch, earlier,
                        until if last else None,
                    ).execute(keep_whole=leaves_model)  # fmt: skip
                except TrainingDivergedError:  # a finding, which a search need not make again
                    folder.set_state(stage=index, status="diverged")
                    raise
            best = not (leaves_model or last) and stage.training.next_from == "best"
            end = best_on_source(place) if best else place
        name, earlier = (str(place / "model"), None) if leaves_model else (name, end)


@contextmanager
def _place(recipe: Recipe, index: int, folder: RunFolder, accelerator: Accelerator) -> Iterator[Path]:
    """Where a stage's files lie. What other runs may share is locked, so that one trains it while the others wait."""
    last = index == len(recipe.stages) - 1
    if last or recipe.cache_dir is None or accelerator.num_processes > 1:
        yield folder.stage(index, len(recipe.stages))
        return
    place = Path(recipe.cache_dir) / stage_key(recipe, index)
    pointer = folder.stages / f"{index}.json"
    with undone_after_errors(place, ["lock"]), undone_after_errors(pointer.parent, [pointer.name]):
        place.mkdir(parents=True, exist_ok=True)
        pointer.parent.mkdir(exist_ok=True)
        write_atomically(pointer, json.dumps({"place": str(place)}))
        with FileLock(place / "lock"):
            yield place


def stage_key(recipe: Recipe, index: int) -> str:
    """What decides the outcome of the stages up to ``index``, as a short name."""
    whole = recipe.model_dump(mode="json")
    deciding = {key: whole[key] for key in ("backbone", "seed", "data_dir")}
    deciding["stages"] = [
        {k: v for k, v in stage.items() if k != "evaluation"} for stage in whole["stages"][: index + 1]
    ]
    text = json.dumps({**deciding, "xlgen": VERSION}, sort_keys=True)
    return f"{index}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check(recipe: Recipe) -> list[Task | None]:
    """Everything that can be wrong with a recipe and is cheap to find; returns the stages' tasks. Raises InputError."""
    check_trackers(recipe.trackers)
    tasks: list[Task | None] = []
    for index, stage in enumerate(recipe.stages):
        method: Method = stage.adaptation.build()
        following = recipe.stages[index + 1 : index + 2]
        name = stage.adaptation.name
        goes_on = method.continues and all(other.adaptation.name == name for other in following)
        if method.adds_modules and following and not goes_on:
            raise BackboneError(
                f"stage {index}: {name} adds modules, and {following[0].adaptation.name} in "
                "the next stage cannot go on from them"
            )
        task = task_of_stage(stage, Path(recipe.data_dir))
        if task is not None:
            check_scoring(task, stage.evaluation)
            check_plateau(task, stage)
            if stage.translate_train is not None:
                targets_of(stage.translate_train, stage, task)
        for text in stage.unlabelled:
            chosen(text, Path(recipe.data_dir))
        if texts := stage.evaluation.xlrs:
            check_parallel(texts, Path(recipe.data_dir))
        control_of(stage.evaluation)
        if stage.training.next_from == "best" and not (task and following):
            raise InputError(f"stage {index}: next_from: best is for a stage with a task that another one follows")
        tasks.append(task)
    if recipe.baseline is None:
        resolve(recipe.backbone.name)
        check_stages(recipe, tasks)
    return tasks


def _is_finished(recipe: Recipe, folder: RunFolder) -> bool:
    """Whether the whole run is done, its last checkpoint there and evaluated."""
    found = store.checkpoints(folder.checkpoints)
    if folder.state.status != "done" or recipe.baseline is not None or not found or store.evaluation_due(found[-1]):
        return False
    return store.read_about(found[-1]).step == recipe.stages[-1].training.steps


def _finished(place: Path, stage: Stage) -> bool:
    """Whether a stage that leaves no model has its last checkpoint."""
    found = store.checkpoints(RunPaths(place).checkpoints)
    leaves_none = stage.adaptation.build().adds_modules
    if not (leaves_none and found) or store.evaluation_due(found[-1]):
        return False
    return store.read_about(found[-1]).step == stage.training.steps


def _scaled(recipe: Recipe) -> str:
    """Only fp16 needs Accelerate's gradient scaling; bf16 is an autocast in the loop, stage by stage."""
    if all(stage.training.precision != "fp16" for stage in recipe.stages):
        return "no"
    if not torch.cuda.is_available():
        raise InputError("precision fp16 needs a GPU; use bf16 or fp32 here")
    return "fp16"
