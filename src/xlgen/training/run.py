"""Train a run: check the whole recipe first, then train one stage after the other."""

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

from xlgen.adaptation.base import Method
from xlgen.backbones.base import BackboneError
from xlgen.backbones.loading import resolve
from xlgen.core.arguments import argument
from xlgen.core.config import Recipe
from xlgen.core.outputs import undone_after_errors
from xlgen.core.progress import NoProgress, Progress
from xlgen.core.registry import InputError
from xlgen.core.version import VERSION
from xlgen.data.tasks import Task, task_of_stage
from xlgen.evaluation.checks import check_plateau, check_scoring
from xlgen.evaluation.generator import control_of
from xlgen.evaluation.head_inference import check_stages
from xlgen.evaluation.xlrs_tracking import check_parallel
from xlgen.runs.checkpoint_description import read_about
from xlgen.runs.checkpoints import newest_checkpoint
from xlgen.runs.folder import RunFolder, lock_run, nothing_left_if_refused, open_run
from xlgen.runs.resume_state import evaluation_due
from xlgen.runs.stage_files import stage_pointer, write_stage_pointer
from xlgen.training.baselines import run_baseline
from xlgen.training.callbacks import Callback
from xlgen.training.context import StageContext
from xlgen.training.loop import TrainingDivergedError
from xlgen.training.mixture import resolve_unlabelled
from xlgen.training.precision import decide, slow_precision
from xlgen.training.retention import best_on_source
from xlgen.training.stage import train_stage
from xlgen.training.trackers import TrackerLogger, check_trackers
from xlgen.training.translate_train import targets_of

log = logging.getLogger(__name__)


def train(
    recipe: Recipe,
    out: Path,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    until: int | None = None,
    callbacks: Sequence[Callback] = (),
) -> RunFolder:
    """Train the run of ``recipe`` in the folder ``out``, and return the folder.

    Args:
        recipe: The recipe.
        out: The run's folder.
        resume: Continue the run if ``out`` has it already.
        progress: Where progress is shown; by default nowhere.
        until: Pause after this step of the last stage. A later call continues as if there had been no pause.
        callbacks: Called in every stage, after the stage's own callbacks.

    Raises:
        InputError: if the input is wrong, before training starts.
        FolderError: if another process trains in ``out``, or ``out`` has another run.
        TrainingDivergedError: if the loss is no longer finite.
        InterruptedRunError: after Ctrl-C, SIGTERM or a closed terminal, with a checkpoint saved.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available(), mixed_precision=mixed_precision(recipe))
    recipe = broadcast_object_list([decide(recipe, out)])[0]
    is_main = accelerator.is_main_process
    progress = progress if progress and is_main else NoProgress()
    tasks = check(recipe)
    if is_main and (slow := slow_precision(recipe)):
        log.warning(slow)
    with lock_run(out) if is_main else nullcontext(), nothing_left_if_refused(out) if is_main else nullcontext():
        with accelerator.main_process_first():
            folder = open_run(out, recipe, resume or not is_main)
        if _is_finished(recipe, folder):
            progress.say(
                f"{out} is finished: all {recipe.stages[-1].training.steps} steps are done, and nothing is left to "
                f"resume. Evaluate it with `xlgen evaluate {out}`; for more steps, start a run with a larger "
                f"training.steps in another {argument('out')}"
            )
            return folder
        with closing(TrackerLogger(accelerator, recipe, out)) as trackers:
            if recipe.baseline is not None:
                return run_baseline(recipe, tasks[-1], folder, progress=progress, trackers=trackers)
            name, earlier = recipe.backbone.name, None
            for index, task in enumerate(tasks):
                with _place(recipe, index, folder, accelerator) as place:
                    context = StageContext(
                        recipe=recipe,
                        index=index,
                        task=task,
                        backbone=name,
                        place=place,
                        folder=folder,
                        accelerator=accelerator,
                        progress=progress,
                        trackers=trackers,
                        earlier=earlier,
                        until=until if index == len(tasks) - 1 else None,
                    )
                    name, earlier = _train_unless_done(context, callbacks)
        _end(recipe, folder, accelerator, until)
    return folder


def _train_unless_done(context: StageContext, callbacks: Sequence[Callback]) -> tuple[str, Path | None]:
    """Train a stage that is not done yet; the backbone of the next stage, and what its method continues from.

    A stage saves a whole model for the next one. If its method inserts modules, the next stage has the same backbone
    and continues with the modules in the stage's checkpoints.
    """
    place, stage, index, model = context.place, context.stage, context.index, context.paths.model
    last = index == len(context.recipe.stages) - 1
    keeps_model = not (last or stage.adaptation.build().adds_modules)
    done = model.exists() if keeps_model else not last and _has_checkpoint_of(place, stage.training.steps)
    if not done:
        what = "" if context.task is None else "the evaluation examples and "
        context.progress.say(f"{f'stage {index}: ' if index else ''}reading {what}the backbone {context.backbone}")
        try:
            train_stage(context, keep_model=keeps_model, callbacks=callbacks)
        except TrainingDivergedError:
            context.folder.set_state(stage=index, status="diverged")  # a result, which a search need not repeat
            raise
    if keeps_model:
        return str(model), None
    best = not last and stage.training.next_from == "best"
    return context.backbone, best_on_source(place) if best else place


def _end(recipe: Recipe, folder: RunFolder, accelerator: Accelerator, until: int | None) -> None:
    """Write the run's progress at the end of this attempt. An earlier attempt may have reached a later step."""
    steps = recipe.stages[-1].training.steps
    if accelerator.is_main_process:
        step = min(steps, max(until or steps, folder.state.step or 0))
        folder.set_state(stage=len(recipe.stages) - 1, step=step, status="done" if step == steps else "paused")


@contextmanager
def _place(recipe: Recipe, index: int, folder: RunFolder, accelerator: Accelerator) -> Iterator[Path]:
    """The folder of a stage's files. A folder that runs share is locked: one run trains the stage, the others wait."""
    last = index == len(recipe.stages) - 1
    if last or recipe.cache_dir is None or accelerator.num_processes > 1:
        yield folder.stage(index, len(recipe.stages))
        return
    place = Path(recipe.cache_dir) / stage_key(recipe, index)
    pointer = stage_pointer(folder.path, index)
    with undone_after_errors(place, ["lock"]), undone_after_errors(pointer.parent, [pointer.name]):
        place.mkdir(parents=True, exist_ok=True)
        write_stage_pointer(folder.path, index, place)
        with FileLock(place / "lock"):
            yield place


def stage_key(recipe: Recipe, index: int) -> str:
    """A short name that depends on everything that determines the result of the stages up to ``index``."""
    whole = recipe.model_dump(mode="json")
    deciding = {key: whole[key] for key in ("backbone", "seed", "data_dir")}
    deciding["stages"] = [
        {k: v for k, v in stage.items() if k != "evaluation"} for stage in whole["stages"][: index + 1]
    ]
    text = json.dumps({**deciding, "xlgen": VERSION}, sort_keys=True)
    return f"{index}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def check(recipe: Recipe) -> list[Task | None]:
    """Check everything in a recipe that can be checked quickly. Returns the stages' tasks; raises InputError."""
    check_trackers(recipe.trackers)
    tasks: list[Task | None] = []
    for index, stage in enumerate(recipe.stages):
        method: Method = stage.adaptation.build()
        following = recipe.stages[index + 1 : index + 2]
        name = stage.adaptation.name
        continued = method.continues and all(other.adaptation.name == name for other in following)
        if method.adds_modules and following and not continued:
            raise BackboneError(
                f"stage {index}: {name} adds modules, and {following[0].adaptation.name} in "
                "the next stage cannot continue with them"
            )
        task = task_of_stage(stage, Path(recipe.data_dir))
        if task is not None:
            check_scoring(task, stage.evaluation)
            check_plateau(task, stage)
            if stage.translate_train is not None:
                targets_of(stage.translate_train, stage, task)
        for text in stage.unlabelled:
            resolve_unlabelled(text, Path(recipe.data_dir))
        if texts := stage.evaluation.xlrs:
            check_parallel(texts, Path(recipe.data_dir))
        control_of(stage.evaluation)
        if stage.training.next_from == "best" and not (task and following):
            raise InputError(f"stage {index}: next_from: best needs a stage with a task, followed by another stage")
        tasks.append(task)
    if recipe.baseline is None:
        resolve(recipe.backbone.name)
        check_stages(recipe, tasks)
    return tasks


def _is_finished(recipe: Recipe, folder: RunFolder) -> bool:
    """Whether the run is done, and its last checkpoint still exists and is evaluated."""
    done = folder.state.status == "done" and recipe.baseline is None
    return done and _has_checkpoint_of(folder.path, recipe.stages[-1].training.steps)


def _has_checkpoint_of(place: Path, step: int) -> bool:
    """Whether the newest checkpoint in a stage's folder is that of ``step``, and evaluated."""
    newest = newest_checkpoint(place)
    return newest is not None and not evaluation_due(newest) and read_about(newest).step == step


def mixed_precision(recipe: Recipe) -> str:
    """The setting for Accelerate. Only fp16 needs its gradient scaling; bf16 is an autocast in the training loop."""
    if all(stage.training.precision != "fp16" for stage in recipe.stages):
        return "no"
    if not torch.cuda.is_available():
        raise InputError("precision fp16 needs a GPU; use bf16 or fp32 here")
    return "fp16"
