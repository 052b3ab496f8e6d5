"""Tags and named entities by heads on encoders, in the layout of J's Tables 3 and 4, and what no model is needed for.

    xlgen study pocket-labels-j data_dir=../shared/data --out runs/pocket-labels-j
    python benchmarks/understanding.py runs/pocket-labels-j

Prints Markdown: the data, and for each task a row a model and a column a language, with J's average over all languages
and that over the ones without labels. Below the models stand two baselines on the same sentences, from English labels
alone: the most frequent tag for every word, and of each word the tag that it has most often in English, where it is
there at all. What is printed is in docs/results/understanding.md.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from xlgen.data.examples import LabelledExample
from xlgen.data.tasks import Task, load_task
from xlgen.runs.rows import load_results, mean
from xlgen.runs.runs import Run
from xlgen.scoring.predictions import score_predictions

Tagger: TypeAlias = Callable[[str], str]


def baselines(labelled: Sequence[LabelledExample]) -> dict[str, Tagger]:
    """A tag of a word, by name of the baseline."""
    of: dict[str, Counter[str]] = defaultdict(Counter)
    for example in labelled:
        for word, tag in zip(example.words, example.tags, strict=True):
            of[word][tag] += 1
    most = sum(of.values(), Counter()).most_common(1)[0][0]
    return {
        f"always {most}": lambda word: most,
        "the word's tag in English": lambda word: of[word].most_common(1)[0][0] if word in of else most,
    }


def baseline_figure(tagger: Tagger, examples: Sequence[LabelledExample], metric: str, language: str) -> float | None:
    """The figure of a baseline on examples of one language."""
    rows = []
    for example in examples:
        text = " ".join(map(tagger, example.words))
        rows.append({"prediction": text, "raw": text, "references": example.targets, "input": example.source})
    return next(row.value for row in score_predictions(rows, [metric], language) if row.metric == metric)


def task_table(runs: Sequence[Run], figures: Callable[[Run, str, str], float | None]) -> None:
    """One task's table."""
    first = runs[0]
    task = load_task(first.stage["task"], Path(first.recipe["data_dir"]))
    sources, metric = first.source_languages, first.main_metric
    codes = sorted(task.languages)
    rows = {
        f"{run.backbone}{'' if run.method == 'full' else ', ' + run.method}": [figures(run, c, metric) for c in codes]
        for run in runs
    }
    tests = {code: task.examples(code, "test", first.stage["evaluation"]["examples"]) for code in codes}
    labelled = [example for code in sources for example in task.examples(code, "train")]
    for name, tagger in baselines(labelled).items():
        rows[f"*{name}*"] = [baseline_figure(tagger, tests[code], metric, code) for code in codes]
    print(f"\n### {task.config.name}, {metric}\n\n| model | {' | '.join(codes)} | AVG | without {', '.join(sources)} |")
    print(f"|---|{'---:|' * (len(codes) + 2)}")
    for name, values in rows.items():
        others = [value for code, value in zip(codes, values, strict=True) if code not in sources]
        print(f"| {name} | {' | '.join(map(_text, [*values, mean(values), mean(others)]))} |")


def data_line(task: Task, limit: int | None) -> str:
    """A row of J's Table 3: languages, labelled sentences, and sentences and words of a language that are scored."""
    english = len(task.examples("en", "train"))
    tests = [task.examples(code, "test", limit) for code in task.languages]
    words = [sum(len(example.words) for example in found) for found in tests]
    sentences = sorted({len(found) for found in tests})
    cells = [task.config.name, len(tests), f"{english:,}", _range(sentences), _range(words), task.config.main_metric]
    return f"| {' | '.join(map(str, cells))} |"


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path)
    results = load_results(parser.parse_args().study)
    parts = [part.runs for part in results.by_task()]
    print("| task | languages | labelled sentences | scored sentences per language | words per language | metric |")
    print("|---|---:|---:|---:|---:|---|")
    for runs in parts:
        stage = runs[0].stage
        print(data_line(load_task(stage["task"], Path(runs[0].recipe["data_dir"])), stage["evaluation"]["examples"]))
    for runs in parts:
        task_table(runs, results.value)


if __name__ == "__main__":
    main()
