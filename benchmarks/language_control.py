"""What language control while decoding costs and brings: ``python benchmarks/language_control.py [RUNS]``.

Takes the finetuned checkpoints of a quickstart (``runs/quickstart``; `make quickstart` makes them), decodes the
validation split of the 11 languages without labels with 4 beams, once for each control, and prints the correct-language
rate, ROUGE-L, the time, and the time as a ratio to decoding without control.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from xlgen.config import Evaluation
from xlgen.data.tasks import load_task
from xlgen.training import checkpoints as store
from xlgen.training.evaluation import evaluate, evaluation_examples, score_rows
from xlgen.training.serving import find_checkpoint

_POCKET = {"reader": "pocket", "size": 1000}
CONTROLS = {
    "none": None,
    "mask: script": {"name": "vocabulary_mask"},
    "mask: script and text": {"name": "vocabulary_mask", "corpus": _POCKET},
    "rerank 4": {"name": "rerank"},
    "retry: script": {"name": "retry"},
    "retry: script and text": {"name": "retry", "under": {"name": "vocabulary_mask", "corpus": _POCKET}},
}
RUNS = ("full-1e-2", "full-1e-3", "adapters")
DOCUMENTS = 20


def main(root: Path) -> None:
    task = load_task("pocket-summaries", Path())
    others = tuple(code for code in task.languages if code != "en")
    table = Table("run", "control", "correct-language rate", "ROUGE-L", "seconds", "times the cost")
    for run in RUNS:
        backbone, method, _ = store.load_checkpoint(find_checkpoint(root / "runs" / run), others)
        plain = 0.0
        for name, control in CONTROLS.items():
            evaluation = Evaluation.model_validate(
                {"split": "validation", "examples": DOCUMENTS, "languages": others, "num_beams": 4, "control": control}
            )
            examples = evaluation_examples(task, evaluation)
            started = time.perf_counter()
            rows = evaluate(backbone, method, task, evaluation, examples)
            seconds = time.perf_counter() - started
            plain = plain or seconds
            found = [row for code in others for row in score_rows(rows[code], task, code, bootstrap=0)]
            means = [np.mean([r.value for r in found if r.metric == m]) for m in ("correct_language_rate", "rougeL")]
            table.add_row(run, name, f"{means[0]:.1f}", f"{means[1]:.1f}", f"{seconds:.1f}", f"{seconds / plain:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs/quickstart"))
