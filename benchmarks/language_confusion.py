"""Claim: LPR and WPR of command-r's outputs are the reference implementation's, within 0.5 points everywhere.

Marchisio et al. 2024; ../shared/data/language_confusion holds outputs, word list and the reference's figures. LPR, WPR
and LCPR of the other models are printed below.

    python benchmarks/language_confusion.py [--data ../shared/data/language_confusion] [--json FILE]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from xlgen.metrics.base import Example
from xlgen.metrics.language_confusion import LanguageConfusion

MODELS = ("command-r", "llama-2-instruct", "llama-3-instruct")
NAMES = [figure.name for figure in LanguageConfusion.figures]
Key = tuple[str, str, str]
"""Task, source, language; ``all`` for averages."""


def figures(path: Path, words: str | None) -> dict[Key, dict[str, float]]:
    """Each figure by task, source and language, and the averages that the reference prints."""
    groups: dict[Key, list[Example]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            groups[row["task"], row["source"], row["language"]].append(Example(row["language"], row["completion"]))
    metric = LanguageConfusion(words=words)
    found: dict[Key, dict[str, float]] = {}
    for key, examples in sorted(groups.items()):
        scores = metric.per_example(examples)
        defined = {figure: scores[figure.name][~np.isnan(scores[figure.name])] for figure in metric.figures}
        found[key] = {figure.name: figure.of(kept) if len(kept) else np.nan for figure, kept in defined.items()}
        if not len(defined[metric.figures[1]]) and examples[0].language in ("ar", "hi", "ja", "ko", "ru", "zh"):
            found[key]["word_pass_rate"] = 100.0  # the reference's value where nothing passes by lines
    return found | averages(found)


def averages(found: dict[Key, dict[str, float]]) -> dict[Key, dict[str, float]]:
    """Over languages for each source, over sources for each language, and over the latter."""
    means: dict[Key, dict[str, float]] = {}
    for task in {task for task, _, _ in found}:
        rows = {key: value for key, value in found.items() if key[0] == task}
        for source in {source for _, source, _ in rows}:
            means[task, source, "all"] = mean([value for key, value in rows.items() if key[1] == source])
        languages = {language for _, _, language in rows}
        for language in languages:
            means[task, "all", language] = mean([value for key, value in rows.items() if key[2] == language])
        means[task, "all", "all"] = mean([means[task, "all", language] for language in languages])
    return means


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    kept = {name: [row[name] for row in rows if not np.isnan(row[name])] for name in NAMES}
    return {name: float(np.mean(values)) if values else np.nan for name, values in kept.items()}


def reference(path: Path) -> dict[Key, dict[str, float]]:
    """The table that the reference implementation printed; N/A is NaN."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    number = {"N/A": np.nan}
    return {
        (row["task"], row["source"], row["language"]): {
            "line_pass_rate": number.get(row["lpr"]) or float(row["lpr"].rstrip("%")),
            "word_pass_rate": number.get(row["wpr"]) or float(row["wpr"].rstrip("%")),
        }
        for row in rows
    }


def largest_difference(found: dict[Key, dict[str, float]], expected: dict[Key, dict[str, float]]) -> float:
    """In points, over every figure of every row; infinite where only one of the two has a figure."""
    worst = 0.0
    for key, row in expected.items():
        for name, value in row.items():
            ours = found[key][name]
            if np.isnan(ours) != np.isnan(value):
                return np.inf
            worst = max(worst, 0.0 if np.isnan(value) else abs(ours - value))
    return worst


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=Path("../shared/data/language_confusion"))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    words = str(options.data / "words.gz")
    tables = {model: figures(options.data / f"outputs.{model}.jsonl.gz", words) for model in MODELS}
    for model, table in tables.items():
        print(f"{model}: LPR, WPR, LCPR")
        for (task, source, language), row in sorted(table.items()):
            print(f"  {task:<13} {source:<20} {language:<4}" + "".join(f"{row[name]:8.2f}" for name in NAMES))
    expected = reference(options.data / "REFERENCE.command-r.tsv")
    worst = largest_difference(tables["command-r"], expected)
    print(f"command-r: {len(expected)} rows of the reference, largest difference {worst:.3f} points")
    bare = figures(options.data / "outputs.command-r.jsonl.gz", None)
    print(f"without the word list: largest difference {largest_difference(bare, expected):.1f} points")
    if options.json:
        rows = {model: {"/".join(key): row for key, row in table.items()} for model, table in tables.items()}
        options.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    sys.exit(worst > 0.5)


if __name__ == "__main__":
    main()
