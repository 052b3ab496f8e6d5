"""Commands for other processes of test_runs.py. Runs are passed in JSON: ``{name: {"recipe": ..., "folder": ...}}``.

``python elsewhere.py kill RUNS`` trains each, and kills it once in every stage; ``train`` trains each (on its own or
under ``accelerate launch``); ``evaluate`` loads the last checkpoint of each stage and generates.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import peft  # noqa: F401, with nearly all else that a training imports late: seconds, once and not in every fork

from xlgen.core.config import Recipe
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.runs.folder import RunFolder
from xlgen.training.callbacks import Callback
from xlgen.training.run import train
from xlgen.training.state import TrainingState

# The step after which a run is killed. It has no checkpoint, but the step before has.
KILLED_AT = 3


def kill(recipe: Recipe, folder: Path) -> None:
    """SIGKILL in the middle of each stage, of a process that nothing else was done in; the last stage stays undone."""
    for index in range(len(recipe.stages)):
        child = os.fork()
        if child == 0:
            try:
                train(recipe, folder, resume=index > 0, callbacks=[KillIn(index)])
            finally:  # reached only by an error, or where the signal was missed
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            raise SystemExit(f"{folder.name}, stage {index}: ended before it was killed")


class KillIn(Callback):
    """Kills this process in a stage."""

    def __init__(self, stage: int) -> None:
        self._stage = stage

    def after_step(self, state: TrainingState) -> None:
        if (state.context.index, state.step) == (self._stage, KILLED_AT):
            os.kill(os.getpid(), signal.SIGKILL)


def evaluate(recipe: Recipe, folder: Path) -> None:
    """Into ``folder/again``, as ``xlgen evaluate`` does."""
    for index, stage in enumerate(recipe.stages):
        place = RunFolder(folder).stage(index, len(recipe.stages))
        evaluate_checkpoint(place, stage.evaluation, out=folder / "again" / str(index))


COMMANDS = {"kill": kill, "train": train, "evaluate": evaluate}

if __name__ == "__main__":
    for given in json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")).values():
        COMMANDS[sys.argv[1]](Recipe.model_validate(given["recipe"]), Path(given["folder"]))
