"""Claim: ``xlgen train --auto`` reaches 95 % of the best that any of its checkpoints has, without target labels.

    python benchmarks/auto.py [--steps 120] [--examples 50] [--out FOLDER]

The job: English summaries of the pocket world, pocket-mt5, eleven other languages. After the search, which reads no
label outside of English, every checkpoint of every run is evaluated on ``test`` in the other languages, with labels:
the best of them is the oracle. Printed: the mean ROUGE-L of the chosen one and of the oracle, and for each run the
checkpoints' figures.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml
from rich.console import Console
from rich.table import Table

SHARE = 0.95
OTHERS = ("fr", "es", "de", "vi", "tr", "ru", "ar", "hi", "th", "zh", "ja")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--examples", type=int, default=50, help="of each language, to judge checkpoints by")
    parser.add_argument("--out", type=Path, help="keep the search here, or go on with one")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        out = options.out or Path(temporary) / "auto"
        out.parent.mkdir(parents=True, exist_ok=True)
        seconds = search(out, options.steps)
        report(dict(judged(out, options.examples)), out, seconds)


def search(out: Path, steps: int) -> float:
    """Run the command, as a user does; returns its seconds."""
    recipe = {
        "backbone": "pocket-mt5",
        "task": "pocket-summaries",
        "training": {
            "steps": steps,
            "warmup_steps": steps // 10,
            "schedule": "linear",
            "batch_tokens": 6_000,
            "max_examples": 24,
            "train_examples": 2_000,
            "precision": "bf16",
        },
        "evaluation": {"every": steps // 3, "examples": 40, "bootstrap": 200},
    }
    file = out.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    started = time.perf_counter()
    command = [sys.executable, "-m", "xlgen", "train", str(file), "--auto", "--out", str(out)]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return time.perf_counter() - started


def judged(out: Path, examples: int) -> list[tuple[tuple[str, int], float]]:
    """((run, step), mean ROUGE-L of the other languages) of each checkpoint."""
    from xlgen.core.config import Evaluation
    from xlgen.evaluation.checkpoint_inference import evaluate_checkpoint
    from xlgen.runs.checkpoint_description import read_about
    from xlgen.runs.checkpoints import checkpoints_of

    evaluation = Evaluation(split="test", examples=examples, languages=OTHERS, bootstrap=0)
    found = []
    for run in sorted((out / "runs").iterdir()):
        for path in checkpoints_of(run):
            with tempfile.TemporaryDirectory() as folder:
                rows, _ = evaluate_checkpoint(path, evaluation, out=Path(folder))
            values = [row["value"] for row in rows if row["metric"] == "rougeL"]
            found.append(((run.name, read_about(path).step), sum(values) / len(values)))
            print(f"{run.name} {path.name}: {found[-1][1]:.1f}", file=sys.stderr, flush=True)
    return found


def report(worth: dict[tuple[str, int], float], out: Path, seconds: float) -> None:
    decision = yaml.safe_load((out / "decision.json").read_text(encoding="utf-8"))
    chosen = worth[decision["run"], decision["step"]]
    best = max(worth, key=lambda key: worth[key])
    table = Table("run", *(f"step {step}" for step in sorted({step for _, step in worth})))
    for run in dict.fromkeys(run for run, _ in worth):
        table.add_row(run, *(f"{worth[run, step]:.1f}" for step in sorted({s for r, s in worth if r == run})))
    Console(width=120).print(table)
    share = chosen / worth[best]
    print(
        f"search {seconds:.0f} s; chosen {decision['run']}, step {decision['step']}: {chosen:.1f}; "
        f"oracle {best[0]}, step {best[1]}: {worth[best]:.1f}; {100 * share:.1f} % of it: "
        f"{'holds' if share >= SHARE else 'FAILS'}"
    )


if __name__ == "__main__":
    main()
