"""Claim: training is at least 1.5 times as fast as ``Seq2SeqTrainer`` and, in bf16, 3 times its fp32 default.

    python benchmarks/training.py [--shapes pocket,mt5-small] [--steps 12] [--repeats 5] [--data ../shared/data]

SQuAD questions behind their contexts, full finetuning, batches of at most 4,000 source tokens. The peer groups by
length, with the fused optimizer, and as many examples a batch as make 4,000 tokens on average. What is compared is
useful tokens a second (padding counts for nothing), medians over processes of their own, which also tell peak memory.
The first steps of each process are left out. ``--check`` compares the loss of one batch instead.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from typing import Any

BATCH_TOKENS = 4_000
WARMUP = 2
SHAPES = ("pocket", "mt5-small")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--check", action="store_true", help="compare the loss of one batch")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(json.loads(options.child))))
        return
    for shape in options.shapes.split(","):
        with tempfile.TemporaryDirectory() as root:
            backbone = "pocket-mt5" if shape == "pocket" else make_small(Path(root) / "mt5")
            job = {"backbone": backbone, "steps": options.steps, "data": str(options.data), "out": root}
            if options.check:
                print(shape, run({**job, "engine": "losses", "precision": "fp32"})[0])
            else:
                compare(shape, job, options.repeats)


def compare(shape: str, job: dict[str, Any], repeats: int) -> None:
    """Print a table: a row an engine and precision."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        shape, "useful tokens/s", "ratio", "ratio to fp32 peer", "peak GiB", "ratio", "padding %", "GEMM GFLOP/s"
    )
    found: dict[tuple[str, str], tuple[float, float]] = {}
    for precision in ("fp32", "bf16"):
        for engine in ("trainer", "xlgen"):
            results = [run({**job, "engine": engine, "precision": precision}) for _ in range(repeats)]
            rate = statistics.median(result["tokens_per_second"] for result, _ in results)
            peak = statistics.median(memory for _, memory in results)
            found[engine, precision] = rate, peak
            peer, first = found["trainer", precision], found["trainer", "fp32"]
            table.add_row(
                f"{engine} {precision}",
                f"{rate:,.0f}",
                f"{rate / peer[0]:.2f}",
                f"{rate / first[0]:.2f}",
                f"{peak:.2f}",
                f"{peak / peer[1]:.2f}",
                f"{100 * statistics.median(result['padding'] for result, _ in results):.1f}",
                f"{statistics.median(result['gemm'] for result, _ in results):.0f}",
            )
    Console().print(table)


def run(job: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """(what the child says, its peak memory in GiB)."""
    command = [sys.executable, __file__, "--child", json.dumps(job)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout and process.stderr
    text, errors = process.stdout.read(), process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(errors[-3000:])
    return json.loads(text.splitlines()[-1]), usage.ru_maxrss / 2**20


def make_small(folder: Path) -> str:
    """A random checkpoint of google/mt5-small's shape, made in a process of its own."""
    command = [sys.executable, str(Path(__file__).parent / "full_shapes.py"), "--make", f"mt5={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    return str(folder)


# -- in the child


def child(job: dict[str, Any]) -> dict[str, Any]:
    backbone, examples = load(job)
    return {"trainer": trainer, "xlgen": ours, "losses": losses}[job["engine"]](job, backbone, examples)


def load(job: dict[str, Any]) -> tuple[Any, Any]:
    """The backbone, and the encoded training examples of SQuAD."""
    import torch

    from xlgen.backbones import loading
    from xlgen.core.config import load_recipe
    from xlgen.data.tasks import load_task
    from xlgen.training.mixture import labelled

    torch.manual_seed(0)
    recipe = load_recipe("squad-xquad", [f"data_dir={job['data']}", "training.train_examples=4000"])
    backbone = loading.load(job["backbone"], allow_unknown=True)
    examples, *_ = labelled(recipe.stages[0], load_task("squad-xquad", Path(job["data"])), backbone)
    return backbone, examples


def ours(job: dict[str, Any], backbone: Any, examples: Any) -> dict[str, Any]:
    """Steps of our loop."""
    from accelerate import Accelerator

    from xlgen.adaptation.base import methods
    from xlgen.backbones.training_modules import make_faster
    from xlgen.core.config import Training
    from xlgen.data.batches import BatchStream, Part
    from xlgen.training.loop import Learner, train_loop
    from xlgen.training.optimizer import build_optimizer

    training = Training(
        steps=job["steps"], warmup_steps=0, learning_rate=1e-4, batch_tokens=BATCH_TOKENS, precision=job["precision"]
    )
    make_faster(backbone)  # as a stage on the CPU does
    method = methods.build({"method": "full"})
    method.prepare(backbone)
    stream = BatchStream([Part("squad", len(examples), lambda i, epoch: examples[i])], 0, BATCH_TOKENS, None)
    optimizer = build_optimizer(backbone.model.named_parameters(), training, backbone.depth)
    times, tokens, padding = [time.perf_counter()], [0], [0.0]

    def after(result: Any) -> None:
        times.append(time.perf_counter())
        tokens.append(result.source_tokens + result.target_tokens)
        padding.append(result.padding)

    learner = Learner(
        backbone=backbone,
        method=method,
        model=backbone.model,
        optimizer=optimizer,
        training=training,
        accelerator=Accelerator(cpu=True),
    )
    train_loop(learner, stream, range(training.steps), after)
    return figures(times, tokens, padding)


def trainer(job: dict[str, Any], backbone: Any, examples: Any) -> dict[str, Any]:
    """Steps of Seq2SeqTrainer on the same examples."""
    from datasets import Dataset
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer, Seq2SeqTrainingArguments, TrainerCallback

    rows = [{"input_ids": list(e.source), "labels": list(e.target)} for e in examples]
    size = round(BATCH_TOKENS / statistics.fmean(len(row["input_ids"]) for row in rows))
    arguments = Seq2SeqTrainingArguments(
        output_dir=job["out"],
        per_device_train_batch_size=size,
        max_steps=job["steps"],
        learning_rate=1e-4,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        train_sampling_strategy="group_by_length",
        bf16=job["precision"] == "bf16",
        use_cpu=True,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
    )
    times, tokens, padding = [time.perf_counter()], [0], [0.0]
    collate = DataCollatorForSeq2Seq(backbone.tokenizer, backbone.model)

    def counting(batch: Any) -> Any:
        useful = sum(len(row["input_ids"]) + len(row["labels"]) for row in batch)
        found = collate(batch)
        tokens.append(useful)
        padding.append(1 - useful / (found["input_ids"].numel() + found["labels"].numel()))
        return found

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    data = Dataset.from_list(rows)
    Seq2SeqTrainer(backbone.model, arguments, counting, data, callbacks=[Clock()]).train()
    return figures(times, tokens[: len(times)], padding[: len(times)])


def figures(times: list[float], tokens: list[int], padding: list[float]) -> dict[str, Any]:
    """Useful tokens a second and padding behind the first steps, and the machine's rate in the same process."""
    import torch

    from xlgen.core.machine import product_rate

    return {
        "tokens_per_second": sum(tokens[WARMUP + 1 :]) / (times[-1] - times[WARMUP]),
        "padding": statistics.fmean(padding[WARMUP + 1 :]),
        "gemm": product_rate(torch.float32),
    }


def losses(job: dict[str, Any], backbone: Any, examples: Any) -> dict[str, Any]:
    """The mean loss a token of one batch: ours, and that of transformers given labels."""
    from xlgen.backbones.base import IGNORED
    from xlgen.training.loop import token_loss

    batch = backbone.collate(list(islice(examples, 8)))
    backbone.model.eval()
    count = (batch["labels"] != IGNORED).sum()
    mine = float(token_loss(backbone.model, batch) / count)
    theirs = float(backbone.model(**batch).loss)
    return {"xlgen": mine, "transformers": theirs, "difference": abs(mine - theirs)}


if __name__ == "__main__":
    main()
