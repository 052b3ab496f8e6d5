"""Claim: each published encoder trains under a head at its full shape within 24 GiB of memory.

For multilingual BERT, XLM-R and the encoder halves of mBART-50, NLLB-200-distilled-600M and mT5: the config of the
published shape with random weights (`init: random`), 3 steps of AdamW on tags of the pocket world through
`xlgen train`, the same four examples each step. Tokenizers are a pocket backbone's, whose ids fit into the larger
vocabularies. Prints parameters, seconds a step, the losses and peak memory, one thread.

    python benchmarks/full_shapes_heads.py [bert xlm-roberta xlm-roberta-large mbart nllb mt5 mt5-base]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from full_shapes import ALONE, FRAMES, LIMIT_GIB, SHAPES

STEPS = 3


@dataclass(frozen=True)
class Outcome:
    """What became of one shape."""

    parameters: int
    """Of the encoder and its head."""
    seconds: float
    """A step, the mean of those behind the first."""
    losses: tuple[float, ...]
    gib: float
    """Peak memory of the whole process."""


def _mt5_base() -> tuple[Any, str]:
    from transformers import MT5Config

    return MT5Config(d_model=768, d_ff=2048, num_layers=12, num_decoder_layers=12, num_heads=12), "pocket-mt5"


ENCODERS: Mapping[str, Callable[[], tuple[Any, str]]] = {
    **ALONE,
    **SHAPES,
    "mt5-base": _mt5_base,
}


def write_config(name: str, folder: Path) -> None:
    """Config and tokenizer of a checkpoint without weights."""
    from transformers import AutoTokenizer

    from xlgen.backbones.loading import embedded

    config, tokenizer = ENCODERS[name]()
    config.save_pretrained(folder)
    AutoTokenizer.from_pretrained(embedded()[tokenizer], **FRAMES.get(tokenizer, {})).save_pretrained(folder)


def measure(name: str, changes: Mapping[str, Any] | None = None) -> Outcome:
    """Train one shape in a process of its own; ``changes`` are keys of the recipe."""
    with tempfile.TemporaryDirectory() as root:
        folder, out, recipe = Path(root) / name, Path(root) / "run", Path(root) / "recipe.yaml"
        write_config(name, folder)
        recipe.write_text(RECIPE.replace("FOLDER", str(folder)), encoding="utf-8")
        overrides = [f"{key}={value}" for key, value in (changes or {}).items()]
        command = [sys.executable, "-m", "xlgen", "train", str(recipe), *overrides, "--out", str(out)]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with (Path(root) / "log").open("w+", encoding="utf-8") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode:
                log.seek(0)
                sys.exit(f"{name}: exit {process.returncode}\n{log.read()[-3000:]}")
        events = [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    start = next(event for event in events if event["event"] == "start")
    steps = [event for event in events if event["event"] == "step"]
    return Outcome(
        parameters=start["parameters"],
        seconds=(steps[-1]["time"] - steps[0]["time"]) / (len(steps) - 1),
        losses=tuple(step["loss"] for step in steps),
        gib=usage.ru_maxrss / 2**20,
    )


def main() -> None:
    for name in sys.argv[1:] or ENCODERS:
        found = measure(name)
        losses = " ".join(f"{loss:.3f}" for loss in found.losses)
        print(
            f"{name}: {found.parameters:,} parameters, {found.seconds:.1f} s a step, losses {losses}, "
            f"peak memory {found.gib:.1f} GiB, limit {LIMIT_GIB} GiB: {'holds' if found.gib <= LIMIT_GIB else 'FAILS'}",
            flush=True,
        )


# No checkpoint is written: it would measure the disk.
RECIPE = f"""
name: full-shape-head
backbone: {{name: FOLDER, init: random, unknown_languages: allow}}
task: pocket-roles
training:
  steps: {STEPS}
  optimizer: adamw
  learning_rate: 2e-5
  warmup_steps: 0
  dropout: 0.0
  batch_tokens: 1000
  max_examples: 4
  train_examples: 4
  log_every: 1
  save_every: 1000
evaluation: {{every: null, split: test, examples: 1, languages: [en, th], bootstrap: 0}}
"""

if __name__ == "__main__":
    main()
