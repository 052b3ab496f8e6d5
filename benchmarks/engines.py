"""Claim: xlgen decodes at least as fast as CTranslate2 in fp32 and as ``generate``, with the same tokens.

    python benchmarks/engines.py [--models pocket-mt5,pocket-mbart,pocket-nllb] [--beams 1,4] [--threads 1,2]
        [--engines xlgen:fp32,ctranslate2:float32,ctranslate2:int8,transformers:sdpa,transformers:eager]
        [--inputs 240] [--new-tokens 64] [--repeats 5] [--out engines.json]

Models are the embedded ones, or ``mt5`` and ``nllb`` for random weights of the shapes of mt5-small and of
NLLB-200-distilled-600M. Other engines are ``xlgen:bf16``, ``ctranslate2:bfloat16`` and ``transformers:compiled`` (a
static cache and ``torch.compile``). All decode the same pocket documents, sorted by length.

Each engine is a process of its own, which loads the model (CTranslate2 converts it first; both times are reported) and
finds its fastest batch size on a part of the inputs. Then the processes take turns, one run of each, then a
second of each. Seconds are medians of the processor's time of a whole process, divided by its threads, which depends
less on other work than wall time; wall times are in ``--out``. Ratios are to xlgen's first entry: above 1, xlgen is
faster. Tokens are compared with its outputs, too.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ENGINES = "xlgen:fp32,ctranslate2:float32,ctranslate2:int8,transformers:sdpa,transformers:eager"
ROWS = {1: (16, 32, 64, 128), 4: (8, 16, 32, 64)}
"""Inputs at a time, of which each engine takes the fastest."""
PENALTY, PATIENCE = 0.6, 2.0
Decode = Callable[[int], list[list[int]]]
"""Decodes all inputs, so many at a time."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="pocket-mt5,pocket-mbart,pocket-nllb")
    parser.add_argument("--engines", default=ENGINES)
    parser.add_argument("--beams", default="1,4")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--inputs", type=int, default=240)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, help="all results, as JSON")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(json.loads(options.child))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("model", "beams", "threads", "engine", "seconds", "ratio", "rows", "start", "GiB", "equal")
    found = []
    with tempfile.TemporaryDirectory() as root:
        for model in options.models.split(","):
            folder = model if model.startswith("pocket-") else made(model, Path(root) / model)
            for beams in map(int, options.beams.split(",")):
                for threads in map(int, options.threads.split(",")):
                    job = {"model": folder, "beams": beams, "threads": threads, "inputs": options.inputs}
                    job["new_tokens"] = options.new_tokens
                    rows = compare(job, options.engines.split(","), options.repeats)
                    for each in rows:
                        table.add_row(model, str(beams), str(threads), *cells(each, rows[0], options.inputs))
                    found += [{**job, "model": model, **each, "tokens": None} for each in rows]
                    Console(width=140).print(table)
                    if options.out:
                        options.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def made(model: str, folder: Path) -> str:
    command = [sys.executable, str(Path(__file__).parent / "full_shapes.py"), "--make", f"{model}={folder}"]
    subprocess.run(command, check=True, capture_output=True)
    return str(folder)


def compare(job: dict[str, Any], engines: list[str], repeats: int) -> list[dict[str, Any]]:
    """The result of each engine."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(job["threads"]), "OPENBLAS_NUM_THREADS": "1"}
    results: list[dict[str, Any]] = []
    running: list[subprocess.Popen[str]] = []
    try:
        for engine in engines:
            command = [sys.executable, __file__, "--child", json.dumps({**job, "engine": engine})]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": environment}
            running.append(subprocess.Popen(command, **pipes))
            results.append({"engine": engine, "cpu": [], "wall": [], **answer(running[-1])})
        for _ in range(repeats):
            for process, result in zip(running, results, strict=True):
                assert process.stdin is not None
                print("go", file=process.stdin, flush=True)
                one = answer(process)
                result["cpu"].append(one.pop("cpu"))
                result["wall"].append(one.pop("wall"))
                result.update(one)
    finally:
        for process in running:
            process.kill()
    return results


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("{"):
            return dict(json.loads(line))
    sys.exit("an engine ended early; its error is above")


def cells(result: dict[str, Any], first: dict[str, Any], inputs: int) -> list[str]:
    seconds, own = statistics.median(result["cpu"]), statistics.median(first["cpu"])
    equal = sum(a == b for a, b in zip(result["tokens"], first["tokens"], strict=True))
    start = " + ".join(f"{part:.1f}" for part in result["start"])
    figures = f"{seconds:.2f}", f"{seconds / own:.2f}", str(result["rows"]), start, f"{result['gib']:.2f}"
    return [result["engine"], *figures, f"{equal} of {inputs}"]


# -- in the child


def child(job: dict[str, Any]) -> None:
    """Load, choose a batch size, then answer each line of standard input with a run."""
    import torch

    from decoding import documents
    from xlgen.backbones import loading

    torch.set_num_threads(job["threads"])
    kind, variant = job["engine"].split(":")
    started = time.perf_counter()
    # Imports and the tokenizer are the same for all engines.
    backbone = loading.load(job["model"])
    sources = documents(backbone, job["inputs"])
    order = sorted(range(job["inputs"]), key=lambda index: -len(sources[0][index]))
    sources = [sources[0][i] for i in order], [sources[1][i] for i in order]
    # Enough inputs to fill the largest batch twice, of all lengths.
    spread = slice(None, None, max(1, job["inputs"] // (2 * max(ROWS[job["beams"]]))))
    make = {"xlgen": xlgen, "ctranslate2": ctranslate2, "transformers": transformers}[kind]
    start, decode = make(backbone, job, variant)
    loaded = time.perf_counter() - started
    part = sources[0][spread], sources[1][spread]
    decode(*part, ROWS[job["beams"]][0])
    tried = {}
    for rows in ROWS[job["beams"]]:
        tried[rows] = min(timed(lambda rows=rows: decode(*part, rows))[0] for _ in range(2))
    rows = min(tried, key=tried.__getitem__)
    print(json.dumps({"rows": rows, "start": start or [loaded], "tried": tried}), flush=True)
    for _ in sys.stdin:
        cpu, wall, tokens = timed(lambda: decode(*sources, rows))
        gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        print(json.dumps({"cpu": cpu / job["threads"], "wall": wall, "tokens": tokens, "gib": gib}), flush=True)


def timed(call: Callable[[], Any]) -> tuple[float, float, Any]:
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    return time.process_time() - cpu, time.perf_counter() - wall, result


def xlgen(backbone: Any, job: dict[str, Any], variant: str) -> tuple[list[float], Any]:
    from xlgen.decoding.decode import hypotheses
    from xlgen.decoding.settings import Decoding

    def decode(ids: Any, languages: Any, rows: int) -> list[list[int]]:
        tokens = rows * max(job["beams"] * job["new_tokens"], max(map(len, ids)))
        decoding = Decoding(job["new_tokens"], job["beams"], PENALTY, batch_tokens=tokens, precision=variant)  # type: ignore[arg-type]
        end = backbone.tokenizer.eos_token_id
        return [without(end, best[0].tokens) for best in hypotheses(backbone, ids, languages, decoding)]

    return [], decode


def ctranslate2(backbone: Any, job: dict[str, Any], variant: str) -> tuple[list[float], Any]:
    import tempfile

    import ctranslate2 as library

    from xlgen.adaptation.base import methods
    from xlgen.evaluation.export.to_ctranslate2 import ToCTranslate2

    method = methods.build({"method": "full"})
    method.prepare(backbone)
    writer = ToCTranslate2()
    writer.quantization = None
    folder = Path(tempfile.mkdtemp()) / "model"
    converting = timed(lambda: writer.write(backbone, method, Path(job["model"]), folder))[1]
    # For a small model, two translations at a time are faster than two threads in one.
    small = sum(p.numel() for p in backbone.model.parameters()) < 2**24
    split = {"inter_threads": job["threads"], "intra_threads": 1} if small else {"intra_threads": job["threads"]}
    _, opening, translator = timed(lambda: library.Translator(str(folder), device="cpu", compute_type=variant, **split))
    tokenizer = backbone.tokenizer

    def decode(ids: Any, languages: Any, rows: int) -> list[list[int]]:
        prefixes = [list(backbone.target_prefix(code)) for code in languages]
        prompt = len(prefixes[0])
        found = translator.translate_batch(
            [tokenizer.convert_ids_to_tokens(list(each)) for each in ids],
            target_prefix=[tokenizer.convert_ids_to_tokens(each) for each in prefixes] if prompt else None,
            max_batch_size=rows,
            beam_size=job["beams"],
            length_penalty=PENALTY,
            patience=PATIENCE,
            max_decoding_length=job["new_tokens"] + prompt,
            max_input_length=0,
            return_scores=job["beams"] > 1,
        )
        end = tokenizer.eos_token_id
        return [without(end, tokenizer.convert_tokens_to_ids(each.hypotheses[0])[prompt:]) for each in found]

    return [converting, opening], decode


def transformers(backbone: Any, job: dict[str, Any], variant: str) -> tuple[list[float], Any]:
    import torch

    model, compiled = backbone.model.eval(), variant == "compiled"
    model.set_attn_implementation("sdpa" if compiled else variant)
    more = {"cache_implementation": "static"} if compiled else {}
    end, pad = backbone.tokenizer.eos_token_id, backbone.tokenizer.pad_token_id

    def decode(ids: Any, languages: Any, rows: int) -> list[list[int]]:
        found: list[list[int]] = []
        for at in range(0, len(ids), rows):
            part, codes = ids[at : at + rows], languages[at : at + rows]
            longest = max(map(len, part))
            inputs = torch.tensor([[*each, *[pad] * (longest - len(each))] for each in part])
            mask = torch.tensor([[1] * len(each) + [0] * (longest - len(each)) for each in part])
            start = backbone.decoder_start(codes)
            with torch.inference_mode():
                output = model.generate(
                    input_ids=inputs,
                    attention_mask=mask,
                    decoder_input_ids=start,
                    max_new_tokens=job["new_tokens"],
                    num_beams=job["beams"],
                    length_penalty=PENALTY if job["beams"] > 1 else None,
                    do_sample=False,
                    forced_eos_token_id=None,
                    forced_bos_token_id=None,
                    **more,
                )
            found += [without(end, row) for row in output[:, start.shape[1] :].tolist()]
        return found

    return [], decode


def without(end: int, tokens: Any) -> list[int]:
    """Tokens up to the end, which is left out."""
    ids = list(tokens)
    return ids[: ids.index(end)] if end in ids else ids


if __name__ == "__main__":
    main()
