"""How often labels of outputs are given to text that people wrote, and missed on text that is in the wrong language.

    python benchmarks/labels.py descriptions [--data ../shared/data]   # Debian's, translated: 400 of each language
    python benchmarks/labels.py paragraphs   [--data ...]              # XQuAD
    python benchmarks/labels.py headlines    [--data ...]              # MasakhaNEWS; Swahili headings
    python benchmarks/labels.py blocks       [--data ...]              # NTREX-128, eight sentences each: repetitions
    python benchmarks/labels.py neighbors    [--data ...]              # first words of NTREX-128 as another language
    python benchmarks/labels.py romanized    [--data ...]              # NTREX-128 in Latin letters (pip install uroman)

Each prints a table in percent; docs/explanation/language-identification.md has them.
"""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import random
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from xlgen.core.languages import Language
from xlgen.metrics.base import Example
from xlgen.metrics.faults import find, label_rows
from xlgen.metrics.lid import load_identifier
from xlgen.metrics.repeats import repetitions
from xlgen.metrics.short_text import RULE, verdicts

DESCRIBED = ("zh", "ja", "ko", "ru", "uk", "de", "fr", "da", "it", "pl", "es", "pt", "sk", "cs")
XQUAD = ("ar", "de", "el", "es", "hi", "ro", "ru", "th", "tr", "vi", "zh")
HEADLINES = {"am": "amh", "fr": "fra", "ha": "hau", "ig": "ibo", "sw": "swa", "yo": "yor"}
NEIGHBOURS = (("ukr", "ru"), ("rus", "uk"), ("rus", "bg"), ("hin", "mr"), ("hin", "ne"), ("arb", "ur"), ("arb", "fa"))
ROMANISED = {"ar": "arb", "hi": "hin", "ru": "rus", "el": "ell", "he": "heb", "ko": "kor", "uk": "ukr"}
SHOWN = ("ok", "unknown", "wrong-language", "code-switched", "wrong-script", "loop", "repeated-ending")


def table(rows: dict[str, list[Example]], shown: Sequence[str] = SHOWN) -> None:
    """The share of each label, a row a set of texts."""
    print(f"| | texts | {' | '.join(shown)} |\n|---|--:|{'--:|' * len(shown)}")
    for name, examples in rows.items():
        counts = Counter(label for found in label_rows(find(examples)) for label in found.labels)
        shares = (f"{100 * counts[label] / len(examples):.1f}" for label in shown)
        print(f"| {name} | {len(examples)} | {' | '.join(shares)} |", flush=True)


def descriptions(data: Path) -> None:
    rows: dict[str, list[Example]] = {}
    for code in DESCRIBED:
        with gzip.open(data / "debian_descriptions" / f"{code}.jsonl.gz", "rt", encoding="utf-8") as file:
            found = list(map(json.loads, file))
        random.Random(1).shuffle(found)
        for field in ("synopsis", "description"):
            rows[f"{code} {field}"] = [Example(code, " ".join(each[field].split())) for each in found[:400]]
    table(rows)


def paragraphs(data: Path) -> None:
    rows = {}
    for code in XQUAD:
        articles = json.loads((data / "xquad" / f"xquad.{code}.json").read_text(encoding="utf-8"))["data"]
        rows[code] = [Example(code, part["context"]) for article in articles for part in article["paragraphs"]]
    table(rows)


def headlines(data: Path) -> None:
    rows = {}
    for code, name in HEADLINES.items():
        rows[code] = [Example(code, row["headline"]) for row in jsonl(data / "masakhanews" / f"{name}.test.jsonl")]
    swahili = {row["heading"] for row in jsonl(data / "opensource_guide" / "sw.jsonl") if row["heading"]}
    english = {row["heading"] for row in jsonl(data / "opensource_guide" / "en.jsonl")}
    rows["sw, headings"] = [Example("sw", text) for text in sorted(swahili - english)]
    table(rows)


def jsonl(path: Path) -> list[dict[str, str]]:
    # Not splitlines(), which splits at U+2028 within texts too.
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]


def ntrex(data: Path, name: str, every: int) -> list[str]:
    lines = (data / "ntrex128" / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return [line for line in lines[:1997:every] if line.strip()]


def blocks(data: Path) -> None:
    found, count = 0, 0
    for path in sorted((data / "ntrex128").glob("???*.txt")):
        lines = path.read_text(encoding="utf-8").split("\n")
        texts = [" ".join(" ".join(lines[i : i + 8]).split()) for i in range(0, 1990, 8)]
        found, count = found + sum(any(repetitions(text)) for text in texts), count + len(texts)
    print(f"{found} of {count} blocks of eight sentences have a repetition: {100 * found / count:.2f} %")


def neighbors(data: Path) -> None:
    print("| text | as | words | right | wrong | unknown |\n|---|---|--:|--:|--:|--:|")
    for name, target in NEIGHBOURS:
        for words in (3, 5, 8):
            examples = [Example(target, " ".join(line.split()[:words])) for line in ntrex(data, name, 7)]
            found = np.array(verdicts(examples, load_identifier(), RULE))
            shares = [np.mean(found == 1), np.mean(found == 0), np.mean(np.isnan(found))]
            print(
                f"| {name} | {target} | {words} | {' | '.join(f'{100 * share:.1f}' for share in shares)} |", flush=True
            )


def romanized(data: Path) -> None:
    try:
        uroman = importlib.import_module("uroman").Uroman()
    except ImportError:
        sys.exit("this needs uroman: pip install uroman")
    rows = {}
    for words in (3, 5, 8, 1000):
        label = "all" if words == 1000 else f"{words} words"
        for code, name in ROMANISED.items():
            texts = [uroman.romanize_string(line) for line in ntrex(data, name, 7)]
            rows[f"{code}, {label}"] = [Example(code, " ".join(text.split()[:words])) for text in texts]
        for name in ("eng", "fra", "deu", "tur"):
            texts = ntrex(data, name, 7)
            rows[f"{Language.parse(name).code} as hi, {label}"] = [
                Example("hi", " ".join(text.split()[:words])) for text in texts
            ]
    table(rows, ("wrong-script", "wrong-language", "unknown", "ok"))


COMMANDS: dict[str, Callable[[Path], None]] = {
    each.__name__: each for each in (descriptions, paragraphs, headlines, blocks, neighbors, romanized)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "data")
    asked = parser.parse_args()
    COMMANDS[asked.command](asked.data)


if __name__ == "__main__":
    main()
