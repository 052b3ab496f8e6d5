"""Claim: ROUGE-1/2/Lsum of 10,000 pairs at least 20 times as fast as `rouge_score` 0.1.2, with equal results.

Both run in this process, one after the other, on the same texts, each on one core. The texts are English news
(MasakhaNEWS) and Wikipedia (SQuAD 1.1), in three lengths:

- summaries: 10,000 pairs of three to four sentences of an article, one a line, 60 to 100 words, as CNN/DM's summaries
  are; the prediction begins one or two sentences after the reference, so that both share sentences.
- sentences: 10,000 pairs, headlines beside one of the first four sentences of their articles, and SQuAD's questions
  beside the first sentence of their paragraphs.
- articles: 200 pairs, the first and the last two thirds of an article, one sentence a line (400 words on average).

The claim is about the first; the others show where it holds too. ROUGE-L is computed by xlgen as well, at its cost.

    python benchmarks/metrics.py [--data ../shared/data] [--pairs 10000]
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
from rouge_score.rouge_scorer import RougeScorer

from xlgen.metrics.base import Example
from xlgen.metrics.rouge import Rouge

RATIO = 20
NAMES = ["rouge1", "rouge2", "rougeLsum"]
Pairs = list[tuple[str, str]]


def articles(data: Path) -> list[tuple[str, list[str]]]:
    """Headline and sentences of each English article."""
    found = []
    for name in ("eng.test", "eng.dev", "eng.train_partial"):
        for line in (data / "masakhanews" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.append((row["headline"], re.split(r"(?<=[.!?])\s+", row["text"])))
    return found


def block(sentences: list[str], start: int) -> list[str]:
    """Sentences from ``start`` on until there are 60 words, or three sentences if those are more."""
    chosen: list[str] = []
    for sentence in sentences[start:]:
        if len(" ".join(chosen).split()) >= 60 and len(chosen) >= 3:
            break
        chosen.append(" ".join(sentence.split()[:40]))
    return chosen


def summaries(data: Path, count: int) -> Pairs:
    """(prediction, reference), one sentence a line."""
    pairs = []
    for first in (0, 2, 4, 6, 8, 10):
        for number, (_, sentences) in enumerate(articles(data)):
            reference, prediction = block(sentences, first), block(sentences, first + 1 + number % 2)
            if len(reference) > 2 and len(prediction) > 2:
                pairs.append(("\n".join(prediction), "\n".join(reference)))
    return pairs[:count]


def sentences(data: Path, count: int) -> Pairs:
    news = [(text[i], headline) for i in range(4) for headline, text in articles(data) if len(text) > i]
    squad = json.loads((data / "squad" / "dev-v1.1.rebuilt.json").read_text(encoding="utf-8"))["data"]
    paragraphs = [paragraph for article in squad for paragraph in article["paragraphs"]]
    first = [re.split(r"(?<=[.!?])\s+", each["context"])[0] for each in paragraphs]
    asked = [(text, qa["question"]) for text, each in zip(first, paragraphs, strict=True) for qa in each["qas"]]
    half = count // 2
    return news[:half] + asked[: count - half]


def halves(data: Path, count: int) -> Pairs:
    pairs = []
    for _, text in articles(data)[:count]:
        third = len(text) // 3
        pairs.append(("\n".join(text[third:]), "\n".join(text[: len(text) - third])))
    return pairs


def compare(name: str, pairs: Pairs) -> float:
    """Time both, check that they agree, and print; the ratio of their times."""
    words = np.mean([len(text.split()) for pair in pairs for text in pair])
    scorer = RougeScorer(NAMES)
    started = time.perf_counter()
    theirs = [[scores[figure].fmeasure for figure in NAMES] for scores in (scorer.score(b, a) for a, b in pairs)]
    their_seconds = time.perf_counter() - started
    examples = [Example("en", prediction, (reference,)) for prediction, reference in pairs]
    started = time.perf_counter()
    found = Rouge().per_example(examples)
    our_seconds = time.perf_counter() - started
    error = float(np.abs(np.stack([found[figure] for figure in NAMES], axis=1) - theirs).max())
    ratio = their_seconds / our_seconds
    print(
        f"{name:10} {len(pairs):6,} pairs, {words:3.0f} words a text: rouge_score {their_seconds:6.2f} s, "
        f"xlgen {our_seconds:5.2f} s, ratio {ratio:5.1f}, largest difference {error:.0e}",
        flush=True,
    )
    if error > 1e-12:
        sys.exit(f"{name}: results differ")
    return ratio


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    parser.add_argument("--pairs", type=int, default=10_000)
    options = parser.parse_args()
    Rouge().per_example([Example("en", "warm", ("up",))])
    ratio = compare("summaries", summaries(options.data, options.pairs))
    compare("sentences", sentences(options.data, options.pairs))
    compare("articles", halves(options.data, 200))
    print(f"summaries: at least {RATIO} times as fast: {'holds' if ratio >= RATIO else 'FAILS'}")
    sys.exit(ratio < RATIO)


if __name__ == "__main__":
    main()
