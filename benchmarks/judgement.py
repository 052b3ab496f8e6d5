"""Claim: SP-ROUGE-L agrees with people as the paper says: Pearson's r .68 with focus, .65 with coverage, or more.

Vu et al. 2022, appendix B, Table 9: averages over the eight languages of Multi_SummEval. mT5's vocabulary is not
needed: by default 32,000 unigram pieces are trained on the 26 languages of NTREX-128 (about 15 seconds).

    python benchmarks/judgement.py [--data ../shared/data] [--tokenizer FILE] [--metrics sp_rouge,rouge,chrf] [--json F]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from xlgen.analysis.judgement import AVERAGE, correlations, read, table
from xlgen.metrics.sp_rouge import SpRouge

PAPER = {"focus": 0.68, "coverage": 0.65}


def train(texts: Path, prefix: Path) -> str:
    """32,000 unigram pieces of all the texts in a folder; the model's path."""
    from sentencepiece import SentencePieceTrainer

    SentencePieceTrainer.train(
        input=[str(path) for path in sorted(texts.glob("*.txt"))],
        model_prefix=str(prefix),
        vocab_size=32_000,
        model_type="unigram",
        num_threads=1,
        minloglevel=1,
    )
    return f"{prefix}.model"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--tokenizer", help="of SP-ROUGE; by default one is trained")
    parser.add_argument("--metrics", default="sp_rouge,rouge,chrf")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tokenizer = options.tokenizer or train(options.data / "ntrex128", Path(folder) / "ntrex128-32000")
        metrics = [SpRouge(tokenizer) if name == "sp_rouge" else name for name in options.metrics.split(",")]
        rows = correlations(read(options.data / "multi_summeval" / "multi_summeval.jsonl"), metrics)
    print(table(rows))
    if options.json:
        options.json.write_text(json.dumps({"rows": [asdict(row) for row in rows]}, indent=1), encoding="utf-8")
    found = {row.judgement: row.value for row in rows if row.metric == "sp_rougeL" and row.language == AVERAGE}
    for judgement, value in found.items():
        least = PAPER[judgement]
        holds = value is not None and value >= least
        print(f"sp_rougeL, {judgement}: {value:.3f}, the paper's {least}: {'holds' if holds else 'FAILS'}")
    sys.exit(any(value is None or value < PAPER[judgement] for judgement, value in found.items()))


if __name__ == "__main__":
    main()
