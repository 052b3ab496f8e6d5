"""What test_runs.py has other processes do to runs, given as ``{name: {"recipe": ..., "folder": ...}}`` in JSON.

``python elsewhere.py kill RUNS`` trains each, and kills it once in every stage; ``train`` trains each (on its own or
under ``accelerate launch``); ``evaluate`` loads the last checkpoint of each stage and generates.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import peft  # noqa: F401, with nearly all else that a training imports late: seconds, once and not in every fork

from xlgen.core.config import Recipe
from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
from xlgen.runs.folder import RunFolder
from xlgen.training import stage as module
from xlgen.training.run import train

# The step after whose log line a run is killed: a checkpoint lies behind it, and its own is not written.
KILLED_AT = 3


def kill(recipe: Recipe, folder: Path) -> None:
    """SIGKILL in the middle of each stage, of a process that nothing else was done in; the last stage stays undone."""
    for index in range(len(recipe.stages)):
        child = os.fork()
        if child == 0:
            try:
                _die_in(index)
                train(recipe, folder, resume=index > 0)
            finally:  # reached only by an error, or where the signal was missed
                os._exit(1)
        _, status = os.waitpid(child, 0)
        if not (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL):
            raise SystemExit(f"{folder.name}, stage {index}: ended before it was killed")


def _die_in(stage: int) -> None:
    original = module.StageRun._log_step

    def log_and_die(self: Any, result: Any, *rest: Any) -> None:
        original(self, result, *rest)
        if self.index == stage and result.step == KILLED_AT:
            os.kill(os.getpid(), signal.SIGKILL)

    module.StageRun._log_step = log_and_die  # type: ignore[method-assign]


def evaluate(recipe: Recipe, folder: Path) -> None:
    """Into ``folder/again``, as ``xlgen evaluate`` does."""
    for index, stage in enumerate(recipe.stages):
        place = RunFolder(folder).stage(index, len(recipe.stages))
        evaluate_checkpoint(place, stage.evaluation, out=folder / "again" / str(index))


COMMANDS = {"kill": kill, "train": train, "evaluate": evaluate}

if __name__ == "__main__":
    for given in json.loads(Path(sys.argv[2]).read_text(encoding="utf-8")).values():
        COMMANDS[sys.argv[1]](Recipe.model_validate(given["recipe"]), Path(given["folder"]))
