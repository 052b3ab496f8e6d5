"""What language control while decoding costs and brings: ``python benchmarks/language_control.py [RUN ...]``.

Takes the folders of finished runs on pocket summaries (without any, those of ``runs/quickstart``; `make quickstart`
makes them), decodes the validation split of the languages without labels with 4 beams, once for each control, and
prints the correct-language rate, ROUGE-L, the median of three times, and that as a ratio to decoding without control.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from xlgen.adaptation import checkpoints as store
from xlgen.core.config import Evaluation
from xlgen.data.tasks import load_task
from xlgen.evaluation.evaluate import evaluate, evaluation_examples, score_rows
from xlgen.runs.checkpoints import find_checkpoint

_POCKET = {"reader": "pocket", "size": 1000}
CONTROLS = {
    "none": None,
    "mask: script": {"name": "vocabulary_mask"},
    "mask: script and text": {"name": "vocabulary_mask", "corpus": _POCKET},
    "rerank 4": {"name": "rerank"},
    "retry: script": {"name": "retry"},
    "retry: script and text": {"name": "retry", "under": {"name": "vocabulary_mask", "corpus": _POCKET}},
}
RUNS = tuple(Path("runs/quickstart/runs") / name for name in ("full-1e-2", "full-1e-3", "adapters"))
DOCUMENTS = 20
REPEATS = 3


def main(runs: Sequence[Path]) -> None:
    task = load_task("pocket-summaries", Path())
    others = tuple(code for code in task.languages if code != "en")
    table = Table("run", "control", "correct-language rate", "ROUGE-L", "seconds", "times the cost")
    for run in runs:
        checkpoint = find_checkpoint(run)
        known = tuple(code for code in others if code in store.load_checkpoint(checkpoint)[0].languages)
        backbone, method, _ = store.load_checkpoint(checkpoint, known)
        settings = {"split": "validation", "examples": DOCUMENTS, "languages": known, "num_beams": 4}
        controls = {
            name: Evaluation.model_validate({**settings, "control": control}) for name, control in CONTROLS.items()
        }
        examples = evaluation_examples(task, controls["none"])
        seconds: dict[str, list[float]] = {name: [] for name in controls}
        rows = {}
        # All in turn, the first time for warming up.
        for _ in range(1 + REPEATS):
            for name, evaluation in controls.items():
                started = time.perf_counter()
                rows[name] = evaluate(backbone, method, task, evaluation, examples)
                seconds[name].append(time.perf_counter() - started)
        median = {name: statistics.median(times[1:]) for name, times in seconds.items()}
        for name in controls:
            found = [row for code in known for row in score_rows(rows[name][code], task, code, bootstrap=0)]
            means = [np.mean([r.value for r in found if r.metric == m]) for m in ("correct_language_rate", "rougeL")]
            cost = f"{median[name]:.1f}", f"{median[name] / median['none']:.2f}"
            table.add_row(run.name, name, f"{means[0]:.1f}", f"{means[1]:.1f}", *cost)
    Console(width=120).print(table)


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]] or RUNS)
