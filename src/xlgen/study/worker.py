"""A process that trains one recipe after another, so that a study loads the libraries once a lane.

It reads a job a line from standard input, ``{"recipe": {...}, "folder": FOLDER, "log": FILE, "until": STEP}``, and
answers each with its exit code on standard output. It ends with its input, so it does not outlive the study by more
than a run.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

from filelock import FileLock

from xlgen.config import Recipe, validate
from xlgen.errors import describe
from xlgen.study.execute import is_done
from xlgen.study.plan import PlannedRun


def train_one(recipe: dict[str, Any], folder: Path, until: int | None = None) -> int:
    """Train ``recipe`` in ``folder``, or go on with it, unless it has come so far; errors are printed.

    ``until``: no further than to this step of the last stage, for now. Returns ``xlgen train``'s exit code.
    """
    from xlgen.training.run import train

    try:
        run = PlannedRun(folder.name, validate(Recipe, recipe, folder.name), until)
        # Another launch, or a worker of one that was killed, may be at it, and have finished it when we may begin.
        with FileLock(f"{folder}.lock"):
            if not is_done(run, folder):
                train(run.recipe, folder, resume=True, until=until)
    except Exception as error:
        code, message = describe(error) or (1, traceback.format_exc())
        print(f"error: {message}" if describe(error) else message, flush=True)
        return code
    return 0


def main() -> None:
    """Do the jobs of standard input. What a run prints goes to its log."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    for line in sys.stdin:
        job = json.loads(line)
        with Path(job["log"]).open("ab") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        code = train_one(job["recipe"], Path(job["folder"]), job["until"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        answers.write(f"{code}\n")
        answers.flush()


if __name__ == "__main__":
    main()
