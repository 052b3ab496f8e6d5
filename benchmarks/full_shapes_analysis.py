"""Claim: CKA and spectra of models at their full published shapes, 12 languages x 500 sentences, need less than 24 GiB.

Writes checkpoints of the shapes of mBART-50 and NLLB-200-distilled-600M, randomly initialised, with the families' own
kind of tokenizer trained on the texts (a pocket one would make twice the tokens of news), and looks at them through
`xlgen analyze cka` and `xlgen analyze spectra`; then at those of multilingual BERT and XLM-R base, and at mT5-small's
by itself. Reports seconds and peak memory; figures and JSON go to OUT.

    python benchmarks/full_shapes_analysis.py OUT [mbart,nllb bert,xlm-roberta mt5]

Needs ../shared/data/ntrex128.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import yaml

from full_shapes import ALONE, FRAMES, LIMIT_GIB, SHAPES

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
CODES = {
    "en": "eng", "fr": "fra", "es": "spa", "de": "deu", "vi": "vie", "tr": "tur",
    "ru": "rus", "ar": "arb", "hi": "hin", "th": "tha", "zh": "zho-CN", "ja": "jpn",
}  # fmt: skip
SENTENCES = 500
PIECES = 32_000


def train_tokenizer(name: str, folder: Path) -> float:
    """Put a tokenizer of the family, trained on the sentences, into a checkpoint's folder; tokens a sentence."""
    from transformers import AutoTokenizer

    from xlgen.backbones.loading import embedded

    files = [DATA / "ntrex128" / f"{code}.txt" for code in CODES.values()]
    texts = [text for file in files for text in file.read_text(encoding="utf-8").split("\n")[:SENTENCES]]
    pocket = {**SHAPES, **ALONE}[name]()[1]
    frame = FRAMES.get(pocket, {}) if name in ALONE else {}
    tokenizer = AutoTokenizer.from_pretrained(embedded()[pocket], **frame).train_new_from_iterator(texts, PIECES)
    tokenizer.save_pretrained(folder)
    return sum(len(ids) for ids in tokenizer(texts)["input_ids"]) / len(texts)


def measured(*command: str) -> str:
    """Run ``xlgen analyze`` and say how long it took and how much memory, in a process whose children are counted."""
    watch = (
        "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
    )
    started = time.monotonic()
    program = [sys.executable, "-m", "xlgen", "analyze", *command]
    done = subprocess.run([sys.executable, "-c", watch, *program], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr[-3000:]}")
    gib = int(done.stdout) / 2**20
    verdict = "holds" if gib <= LIMIT_GIB else "FAILS"
    return f"{time.monotonic() - started:.0f} s, {gib:.1f} GiB at most, limit {LIMIT_GIB} GiB: {verdict}"


def summary(out: Path) -> str:
    """A line a kind of figure and model: the mean of CKA over languages or pairs of them, embeddings and last layer."""
    groups: dict[tuple[str, str], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in json.loads((out / "cka.json").read_text(encoding="utf-8"))["rows"]:
        if row.get("matched", True):
            model = Path(row.get("model") or row["first"]).name
            groups[row["analysis"], model][row.get("layer", row.get("first_layer"))].append(row["value"])
    lines = []
    for (kind, model), layers in groups.items():
        first, last = (statistics.fmean(layers[layer]) for layer in (0, max(layers)))
        lines.append(f"  {kind}, {model}: {first:.2f} (embeddings), {last:.2f} (layer {max(layers)})")
    return "\n".join(lines)


def main() -> None:
    if len(sys.argv) < 2 or not (DATA / "ntrex128").is_dir():
        sys.exit(__doc__)
    for group in sys.argv[2:] or ("mbart,nllb", "bert,xlm-roberta", "mt5"):
        out = Path(sys.argv[1]) / group.replace(",", "-")
        with tempfile.TemporaryDirectory() as root:
            folders = {name: Path(root) / name for name in group.split(",")}
            for name, folder in folders.items():
                script = str(Path(__file__).with_name("full_shapes.py"))
                subprocess.run([sys.executable, script, "--make", f"{name}={folder}"], check=True, capture_output=True)
                print(f"{name}: {train_tokenizer(name, folder):.1f} tokens a sentence")
            texts = Path(root) / "ntrex.yaml"
            corpus = {"reader": "lines", "path": "ntrex128/{language}.txt", "codes": CODES}
            texts.write_text(yaml.safe_dump({"corpus": corpus, "sentences": SENTENCES}), encoding="utf-8")
            models = [str(folder) for folder in folders.values()]
            options = ["--texts", str(texts), "--data-dir", str(DATA), "--unknown-languages"]
            print(f"{group}, cka: {measured('cka', *models, *options, '--out', str(out))}\n{summary(out)}", flush=True)
            for model in models:
                print(f"{model}, spectra: {measured('spectra', model, '--out', str(out / Path(model).name))}")


if __name__ == "__main__":
    main()
