"""Claim: of mt5-small's shape, decoding is at least twice as fast as ``generate``, with at most 0.7 times its memory.

    python benchmarks/decoding_small.py [--inputs 32] [--repeats 5] [--data ../shared/data] [--precisions fp32,bf16]

Random weights of google/mt5-small's shape (300 M parameters, 250,112 pieces), SQuAD contexts cropped to 256 tokens, 24
new tokens, greedily and with 4 beams, both sides in one precision. The peer is the library's model in that precision
with the attention and the batch size (8, 16 or 32 inputs) that are fastest for it. Every figure is a median over
processes of their own, which tell their peak memory; a GEMM of the same process is the unit of the limit.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

NEW_TOKENS, SOURCE_TOKENS = 24, 256
OUR_ROWS = [8, 32]
PEER_SETTINGS = [(rows, attention) for rows in (8, 16, 32) for attention in ("sdpa", "eager")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--precisions", default="fp32,bf16")
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--peer", help="such as 8,eager: the peer's settings, where they need not be found")
    parser.add_argument("--rows", help="such as 8: how many inputs ours has at a time, where the fastest is not wanted")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(json.loads(options.child))))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(
        "precision", "beams", "generate", "xlgen", "ratio", "GiB", "xlgen GiB", "ratio", "limit", "equal", "settings"
    )
    with tempfile.TemporaryDirectory() as root:
        command = [sys.executable, str(Path(__file__).parent / "full_shapes.py"), "--make", f"mt5={root}/mt5"]
        subprocess.run(command, check=True, capture_output=True)
        if options.peer:
            rows, attention = options.peer.split(",")
            PEER_SETTINGS[:] = [(int(rows), attention)]
        if options.rows:
            OUR_ROWS[:] = [int(options.rows)]
        job = {"model": f"{root}/mt5", "inputs": options.inputs, "data": str(options.data)}
        for precision in options.precisions.split(","):
            for beams in map(int, options.beams.split(",")):
                table.add_row(
                    precision, str(beams), *compare({**job, "precision": precision, "beams": beams}, options.repeats)
                )
                Console(width=140).print(table)


def compare(job: dict[str, Any], repeats: int) -> list[str]:
    """Cells of one row."""
    tries = [(run({**job, "engine": "generate", "rows": r, "attention": a})["seconds"], r, a) for r, a in PEER_SETTINGS]
    _, rows, attention = min(tries)
    theirs = [run({**job, "engine": "generate", "rows": rows, "attention": attention}) for _ in range(repeats)]
    _, own = min((run({**job, "engine": "xlgen", "rows": r, "attention": "sdpa"})["seconds"], r) for r in OUR_ROWS)
    mine = [run({**job, "engine": "xlgen", "rows": own, "attention": "sdpa"}) for _ in range(repeats)]

    def median(results: list[dict[str, Any]], name: str) -> float:
        return statistics.median(result[name] for result in results)

    slow, fast, large, small = (median(r, name) for name in ("seconds", "gib") for r in (theirs, mine))
    equal = sum(a == b for a, b in zip(theirs[0]["tokens"], mine[0]["tokens"], strict=True))
    limit = mine[0]["gflop"] / median(mine, "gemm")
    cells = [
        f"{slow:.2f} s",
        f"{fast:.2f} s",
        f"{slow / fast:.2f}",
        f"{large:.2f}",
        f"{small:.2f}",
        f"{small / large:.2f}",
    ]
    return [*cells, f"{limit:.2f} s", f"{equal} of {job['inputs']}", f"{rows} inputs, {attention}; {own}"]


def run(job: dict[str, Any]) -> dict[str, Any]:
    done = subprocess.run([sys.executable, __file__, "--child", json.dumps(job)], capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    return json.loads(done.stdout.splitlines()[-1])


# -- in the child


def child(job: dict[str, Any]) -> dict[str, Any]:
    from transformers import AutoModelForSeq2SeqLM

    from xlgen.backbones import loading
    from xlgen.core.machine import product_rate
    from xlgen.data.tasks import load_task

    if job["engine"] == "generate":  # loaded as its users load it; what is mapped before is not read
        backbone = loading.load(job["model"])
        backbone.model = AutoModelForSeq2SeqLM.from_pretrained(job["model"], dtype=loading.DTYPES[job["precision"]])
        type(backbone).repair(backbone.model, fresh=False)
    else:
        backbone = loading.load(job["model"], weights=job["precision"])
    backbone.model.set_attn_implementation(job["attention"])
    task = load_task("squad-xquad", Path(job["data"]))
    rows = task.examples("en", "train", job["inputs"])
    sources = sorted((backbone.encode_source(row, SOURCE_TOKENS)[0] for row in rows), key=len)
    decode = {"generate": generate, "xlgen": ours}[job["engine"]]
    decode(backbone, sources[:2], job)
    started = time.perf_counter()
    tokens = decode(backbone, sources, job)
    seconds = time.perf_counter() - started
    # Before the GEMM's matrices count.
    gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    weights = sum(p.numel() for n, p in backbone.model.named_parameters() if p.ndim == 2 and "shared" not in n)
    encoder = sum(p.numel() for n, p in backbone.model.named_parameters() if p.ndim == 2 and n.startswith("encoder.b"))
    new = job["beams"] * len(sources) * NEW_TOKENS
    return {
        "seconds": seconds,
        "gib": gib,
        "tokens": tokens,
        "gflop": 2 * (encoder * sum(map(len, sources)) + (weights - encoder) * new) / 1e9,
        "gemm": product_rate(loading.DTYPES[job["precision"]]),
    }


def ours(backbone: Any, sources: list[Any], job: dict[str, Any]) -> list[list[int]]:
    from xlgen.decoding.decode import hypotheses
    from xlgen.decoding.settings import Decoding

    tokens = job["rows"] * max(job["beams"] * NEW_TOKENS, SOURCE_TOKENS)
    decoding = Decoding(NEW_TOKENS, job["beams"], 1.0, tokens, precision=job["precision"])
    found = hypotheses(backbone, sources, ["en"] * len(sources), decoding)
    return [list(best[0].tokens) for best in found]


def generate(backbone: Any, sources: list[Any], job: dict[str, Any]) -> list[list[int]]:
    """The library's own, on its plain model."""
    import torch

    found: list[list[int]] = []
    for start in range(0, len(sources), job["rows"]):
        part = sources[start : start + job["rows"]]
        longest = max(map(len, part))
        ids = torch.tensor([[*row, *[0] * (longest - len(row))] for row in part])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in part])
        with torch.inference_mode():
            output = backbone.model.eval().generate(
                input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, num_beams=job["beams"], do_sample=False
            )
        for row in output[:, 1:].tolist():
            found.append(row[: row.index(1) + 1] if 1 in row else row)
    return found


if __name__ == "__main__":
    main()
