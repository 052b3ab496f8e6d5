"""Claim: our search decodes at least 4 times as fast as ``generate`` of transformers, with the same tokens.

    python benchmarks/decoding.py [--inputs 2000] [--backbones pocket-mt5,pocket-mbart,pocket-nllb] [--repeats 5]
        [--methods full] [--beams 1,4]

Both decode the same pocket documents in fp32, sorted by length, greedily and with 4 beams, at most 64 new tokens. The
peer is ``generate`` with the attention and in batches of the size that are fastest for it (eager or sdpa; 32, 64 and
128 inputs greedily, 8, 16 and 32 with 4 beams), found on the first inputs. Medians. What a method trains is moved
away from where it begins, so that its modules count. Tokens are compared one by one; where they differ, the two
outputs' log-probabilities are computed in fp64, and a difference below 1e-5 is a tie. The limit is the arithmetic at
the GEMM rate of the same run: every token through decoder and head once a beam, and the inputs through the encoder.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import time
from collections.abc import Callable, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

from xlgen.adaptation.base import methods
from xlgen.backbones import loading
from xlgen.backbones.base import Backbone
from xlgen.core.machine import product_rate
from xlgen.data.tasks import load_task
from xlgen.decoding.decode import hypotheses
from xlgen.decoding.settings import Decoding, Hypothesis

NEW_TOKENS, PENALTY, TIE = 64, 0.6, 1e-5
PEER_ROWS = {1: (32, 64, 128), 4: (8, 16, 32)}
OUR_ROWS = {1: (128, 256, 512), 4: (32, 64, 128)}
METHODS: dict[str, dict[str, Any]] = {
    "full": {"method": "full"},
    "adapters": {"method": "adapters"},
    "prompt": {"method": "prompt", "num_virtual_tokens": 20},
    "lora": {"method": "lora"},
}
Sources = tuple[list[tuple[int, ...]], list[str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--backbones", default="pocket-mt5,pocket-mbart,pocket-nllb")
    parser.add_argument("--methods", default="full", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    console = Console(width=150)
    rate = product_rate(torch.float32)
    console.print(f"GEMM fp32: {rate:.0f} GFLOP/s, {torch.get_num_threads()} threads, {options.inputs} inputs")
    table = Table(
        "backbone", "method", "beams", "generate", "xlgen", "ratio", "tokens/s", "limit", "equal", "ties", "peer's"
    )
    chosen = product(options.backbones.split(","), options.methods.split(","), map(int, options.beams.split(",")))
    for name, method, beams in chosen:
        table.add_row(name, method, str(beams), *compare(name, method, beams, options, rate))
        console.print(table)


def compare(name: str, method: str, beams: int, options: argparse.Namespace, rate: float) -> list[str]:
    """Cells of one row."""
    backbone = loading.load(name)
    sources = documents(backbone, options.inputs)
    moved(backbone, METHODS[method])
    peer, attention = fastest("transformers", beams, PEER_ROWS[beams], backbone, sources)
    ours, own = fastest("xlgen", beams, OUR_ROWS[beams], backbone, sources)
    backbone.model.set_attn_implementation(attention)
    slow, theirs = timed(lambda: hypotheses(backbone, *sources, peer), options.repeats)
    backbone.model.set_attn_implementation(own)
    fast, found = timed(lambda: hypotheses(backbone, *sources, ours), options.repeats)
    differing = [i for i, (a, b) in enumerate(zip(found, theirs, strict=True)) if a[0].tokens != b[0].tokens]
    ties = sum(is_tie(backbone, sources, i, found[i][0], theirs[i][0], beams) for i in differing)
    tokens = sum(len(best[0].tokens) for best in found)
    return [
        f"{slow:.1f} s",
        f"{fast:.1f} s",
        f"{slow / fast:.1f}",
        f"{tokens / slow:.0f} / {tokens / fast:.0f}",
        f"{arithmetic(backbone, sources, tokens * beams) / rate / 1e9:.1f} s",
        f"{len(found) - len(differing)} of {len(found)}",
        str(ties),
        f"{peer.batch_tokens // beams} tokens, {attention}",
    ]


def documents(backbone: Backbone, count: int) -> Sources:
    """Inputs of the pocket summaries, in all languages in turn."""
    task = load_task("pocket-summaries", Path())
    each = -(-count // len(task.languages))
    rows = [
        row
        for turn in zip(*(task.examples(c, "validation", each) for c in task.languages), strict=True)
        for row in turn
    ]
    rows = list(islice(rows, count))
    return [backbone.encode_source(row, 256)[0] for row in rows], [row.language for row in rows]


def moved(backbone: Backbone, config: dict[str, Any]) -> None:
    """Prepare the method; what it trains is moved a little, where it would begin as nothing."""
    methods.build(config).prepare(backbone)
    if config["method"] == "full":
        return
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in backbone.model.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)


def fastest(
    engine: Any, beams: int, sizes: Sequence[int], backbone: Backbone, sources: Sources
) -> tuple[Decoding, str]:
    """The settings and the attention that are fastest on the first inputs."""
    few = max(1, len(sources[0]) // 8)
    first = sources[0][:few], sources[1][:few]
    times = {}
    for rows, attention in product(sizes, ("eager", "sdpa")):
        longest = NEW_TOKENS if engine == "xlgen" else max(NEW_TOKENS, max(map(len, sources[0])))
        decoding = Decoding(NEW_TOKENS, beams, PENALTY, batch_tokens=rows * beams * longest, engine=engine)
        backbone.model.set_attn_implementation(attention)
        times[timed(lambda: hypotheses(backbone, *first, decoding), 1)[0]] = decoding, attention  # noqa: B023
    return times[min(times)]


def is_tie(backbone: Backbone, sources: Sources, index: int, mine: Hypothesis, other: Hypothesis, beams: int) -> bool:
    """Whether the two outputs are equally good in fp64: whole for beams, at the first difference for greedy search."""
    model = copy.deepcopy(backbone.model).double().eval()
    ids, language = sources[0][index], sources[1][index]
    common = next(
        i for i, pair in enumerate(zip((*mine.tokens, -1), (*other.tokens, -1), strict=False)) if pair[0] != pair[1]
    )
    scores = []
    for tokens in (mine.tokens, other.tokens):
        start = backbone.decoder_start([language])
        inputs = torch.cat([start, torch.tensor([tokens[:-1]], dtype=torch.long)], dim=1)
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids]), decoder_input_ids=inputs, use_cache=False).logits
        chances = logits[0, start.shape[1] - 1 :].log_softmax(-1).gather(1, torch.tensor(tokens)[:, None])[:, 0]
        scores.append(float(chances[common] if beams == 1 else chances.sum() / len(tokens) ** PENALTY))
    return abs(scores[0] - scores[1]) < TIE


def arithmetic(backbone: Backbone, sources: Sources, tokens: int) -> float:
    """FLOP of the products: 2 a weight and token."""
    model = backbone.model
    encoder, decoder = (
        sum(p.numel() for p in part.parameters() if p.ndim == 2) for part in (model.get_encoder(), model.get_decoder())
    )
    embedding = model.get_input_embeddings().weight.numel()
    head = model.get_output_embeddings().weight.numel()
    return 2.0 * ((encoder - embedding) * sum(map(len, sources[0])) + (decoder - embedding + head) * tokens)


def timed(call: Callable[[], Any], repeats: int) -> tuple[float, Any]:
    """(median seconds, the last result)."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        result = call()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds), result


if __name__ == "__main__":
    main()
