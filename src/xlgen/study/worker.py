"""A process that trains one recipe after another, so that a study loads the libraries once a lane.

It reads a job a line from standard input, ``{"recipe": FILE, "folder": FOLDER, "log": FILE,
"until": STEP}``, and answers each with
its exit code on standard output. It ends with its input, so it does not outlive the study by more than a run.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from pathlib import Path

from filelock import FileLock

from xlgen.errors import describe


def train_one(recipe: Path, folder: Path, until: int | None = None) -> int:
    """Train ``recipe`` in ``folder``, or go on with it; errors are printed. Returns ``xlgen train``'s exit code.

    ``until``: no further than to this step of the last stage, for now.
    """
    from xlgen.config import load_recipe
    from xlgen.training.run import train

    try:
        # A worker of a study that was killed may still be at it.
        with FileLock(f"{folder}.lock"):
            train(load_recipe(str(recipe)), folder, resume=True, until=until)
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
        code = train_one(Path(job["recipe"]), Path(job["folder"]), job["until"])
        sys.stdout.flush()
        sys.stderr.flush()
        gc.collect()
        answers.write(f"{code}\n")
        answers.flush()


if __name__ == "__main__":
    main()
