"""How time grows: ``python benchmarks/growth.py [--repeats 5] [--only decoding,training]``.

pocket-mt5's shape with random weights, which never end a text, and random tokens; one figure is varied at a time, the
others stay at the values marked with a star. The exponent is the slope of log time over log figure, by least squares:
1 is proportional, below 1 is cheaper the larger it is. Medians; vocabularies go up to mT5's.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from accelerate import Accelerator
from rich.console import Console
from rich.table import Table

from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.backbones.training_modules import make_faster
from xlgen.core.config import Training
from xlgen.data.batches import BatchStream, Part
from xlgen.data.examples import EncodedExample
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding
from xlgen.training.loop import Learner, train_loop
from xlgen.training.optimizer import build_optimizer

DECODING: dict[str, tuple[int, ...]] = {
    "inputs": (64, 128, 256, 512),
    "beams": (1, 2, 4, 8),
    "new tokens": (16, 32, 64, 128),
    "source tokens": (32, 64, 128, 256),
    "vocabulary": (8_000, 32_000, 128_000, 250_112),
}
TRAINING: dict[str, tuple[int, ...]] = {
    "batch tokens": (1_000, 2_000, 4_000, 8_000),
    "vocabulary": (8_000, 32_000, 128_000, 250_112),
}
USUAL = {
    "inputs": 128, "beams": 4, "new tokens": 32, "source tokens": 64, "vocabulary": 8_000, "batch tokens": 4_000
}  # fmt: skip
TRAINING_STEPS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", default="decoding,training")
    options = parser.parse_args()
    table = Table("seconds of", "varied", "at", "seconds", "exponent", title=f"{torch.get_num_threads()} threads")
    jobs = {"decoding": (DECODING, decoding), "training": (TRAINING, training)}
    for job in options.only.split(","):
        axes, measure = jobs[job]
        for axis, values in axes.items():
            seconds = [measure({**USUAL, axis: value}, options.repeats) for value in values]
            table.add_row(
                job,
                axis,
                " ".join(f"{value:,}{'*' * (value == USUAL[axis])}" for value in values),
                " ".join(f"{each:.2f}" for each in seconds),
                f"{exponent(values, seconds):.2f}",
            )
    Console(width=120).print(table)


def exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """The slope of log seconds over log values."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])


def model_of(vocabulary: int) -> Backbone:
    """pocket-mt5's shape with random weights and so many pieces, of which the end is never among the best."""
    backbone = loading.load("pocket-mt5", init="random", seed=0)
    torch.manual_seed(0)
    backbone.model.resize_token_embeddings(vocabulary, mean_resizing=False)
    head = backbone.model.get_output_embeddings().weight
    with torch.no_grad():
        head.normal_()
        head[backbone.tokenizer.eos_token_id] = 0
    return backbone


def decoding(at: dict[str, int], repeats: int) -> float:
    """Seconds to decode."""
    backbone, dice = model_of(at["vocabulary"]), random.Random(0)
    length = at["source tokens"]
    sources = [tuple(dice.choices(range(300, 5_000), k=length)) for _ in range(at["inputs"])]
    rows = 64
    settings = Decoding(at["new tokens"], at["beams"], batch_tokens=rows * max(at["beams"] * at["new tokens"], length))
    return median(lambda: hypotheses(backbone, sources, ["en"] * len(sources), settings), repeats)


def training(at: dict[str, int], repeats: int) -> float:
    """Seconds of a training step."""
    backbone, dice = model_of(at["vocabulary"]), random.Random(0)
    make_faster(backbone)
    method = methods.build({"method": "full"})
    method.prepare(backbone)
    length, tokens = at["source tokens"], at["batch tokens"]

    def example(index: int, epoch: int) -> EncodedExample:
        ids = dice.choices(range(300, 5_000), k=length + at["new tokens"])
        return EncodedExample(tuple(ids[:length]), tuple(ids[length:]), "en")

    stream = BatchStream([Part("random", 1_000, example)], 0, tokens, None)
    settings = Training(steps=TRAINING_STEPS, warmup_steps=0, learning_rate=1e-4, batch_tokens=tokens, precision="fp32")
    optimizer = build_optimizer(backbone.model.named_parameters(), settings, backbone.depth)
    learner = Learner(
        backbone=backbone,
        method=method,
        model=backbone.model,
        optimizer=optimizer,
        training=settings,
        accelerator=Accelerator(cpu=True),
    )
    return (
        median(lambda: train_loop(learner, stream, range(TRAINING_STEPS), lambda result: None), repeats)
        / TRAINING_STEPS
    )


def median(call: Callable[[], object], repeats: int) -> float:
    """Seconds of a call, the first of which warms up."""
    times = []
    for _ in range(1 + repeats):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[1:])


if __name__ == "__main__":
    main()
