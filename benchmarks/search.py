"""The tables and plots of docs/results/pocket-search.md.

    python benchmarks/search.py runs/pocket-search [--figures DIR]

For each search the rates tried and the one taken, then each criterion's choice of rate and of checkpoint and their
regret, the figures at the best rate over seeds, and what the time went to. Markdown, from the runs' files alone.
"""

from __future__ import annotations

import argparse
import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from xlgen.experiments.choices import CRITERIA, checkpoint_choices, rate_choices, searches
from xlgen.experiments.criteria import LANGUAGE_RATE, best_step, criteria, over_sources, over_targets
from xlgen.report.drawing import Palette
from xlgen.report.plots import all_plots
from xlgen.runs.files import json_lines
from xlgen.runs.rows import Results, load_results
from xlgen.runs.runs import Run, rate_text

TARGET = criteria.build("target")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--figures", type=Path, help="write the report's figures into this folder, as SVG files")
    chosen = parser.parse_args()
    results = load_results(chosen.folder)
    cells = by_cell(results)
    print(rates(results, cells), at_their_best(results, cells), regrets(results), times(results), sep="\n\n")
    if chosen.figures:
        draw(results, chosen.figures)


Cells = Mapping[tuple[str, str, str], Sequence[Sequence[Run]]]
"""By backbone, method and task, the searches of each seed."""


def by_cell(results: Results) -> Cells:
    found: dict[tuple[str, str, str], list[list[Run]]] = defaultdict(list)
    for group in searches(results):
        found[group[0].backbone, group[0].method, group[0].task or ""].append(group)
    return found


def score(results: Results, run: Run) -> float:
    return best_step(TARGET, results, run).score


def best_of(results: Results, group: Sequence[Run]) -> Run:
    return max(group, key=lambda run: (score(results, run), -(run.learning_rate or 0.0)))


def rates(results: Results, cells: Cells) -> str:
    """A row a cell: rate by rate the best checkpoint's metric in the other languages, mean over the seeds that came to
    it; how many seeds took it in the end."""
    rows = []
    for cell, groups in sorted(cells.items()):
        scores: dict[float, list[float]] = defaultdict(list)
        for run in (run for group in groups for run in group):
            scores[run.learning_rate or 0.0].append(score(results, run))
        taken = Counter(best_of(results, group).learning_rate for group in groups)
        texts = []
        for rate, values in sorted(scores.items()):
            text = f"{rate_text(rate)} {statistics.fmean(values):.1f}" + (
                f" ({len(values)})" if len(values) < 3 else ""
            )
            texts.append(f"**{text}**{' ×' + str(taken[rate])}" if taken[rate] else text)
        rows.append([*cell, ", ".join(texts)])
    return markdown(["backbone", "method", "task", "rates and scores"], rows)


def at_their_best(results: Results, cells: Cells) -> str:
    """A row a cell: each seed at the rate that its search took, mean and spread."""
    rows = []
    for cell, groups in sorted(cells.items()):
        best = [best_of(results, group) for group in groups]
        steps = [(run, best_step(TARGET, results, run).step) for run in best]
        source = [over_sources(results, run, run.main_metric, step) for run, step in steps]
        target = [over_targets(results, run, run.main_metric, step) for run, step in steps]
        right = [over_targets(results, run, LANGUAGE_RATE, step) for run, step in steps]
        xlrs = [over_targets(results, run, "xlrs", step) for run, step in steps]
        rows.append(
            [
                *cell,
                ", ".join(dict.fromkeys(rate_text(run.learning_rate or 0.0) for run in best)),
                f"{statistics.fmean(source):.1f}",
                f"{statistics.fmean(target):.1f}",
                f"{min(target):.1f} to {max(target):.1f}",
                f"{statistics.fmean(right):.1f}",
                f"{statistics.fmean(xlrs):.2f}",
            ]
        )
    head = ["backbone", "method", "task", "rates", "en", "others", "from, to", "right language", "XLRS"]
    return markdown(head, rows)


def regrets(results: Results) -> str:
    """Mean and largest regret of each criterion, for rates with their checkpoints, and for checkpoints by language."""
    of_rates, of_steps = defaultdict(list), defaultdict(list)
    for group in searches(results):
        for choice in rate_choices(results, group):
            of_rates[choice.criterion].append(choice.regret or 0.0)
    for run in results.runs:
        for choice in checkpoint_choices(results, run):
            if choice.regret is not None:
                of_steps[choice.criterion].append(choice.regret)
    rows = [
        [name, *(f"{f(found[name]):.1f}" for found in (of_rates, of_steps) for f in (statistics.fmean, max))]
        for name in CRITERIA
        if of_rates[name] and of_steps[name]
    ]
    return markdown(["criterion", "rate: mean regret", "largest", "checkpoint: mean regret", "largest"], rows)


def draw(results: Results, folder: Path) -> None:
    """The report's figures of each task, each a file that stands by itself."""
    folder.mkdir(parents=True, exist_ok=True)
    for of_task in results.by_task():
        for plot in all_plots(of_task, Palette.of(results.runs)):
            name = "-".join(re.findall(r"[a-z]+", f"{of_task.runs[0].task} {plot.title}".lower()))
            svg = plot.svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" style="background: white" ', 1)
            (folder / f"{name}.svg").write_text(
                svg.replace("xlink:href", "href").replace("<svg ", '<svg color="black" ', 1), encoding="utf-8"
            )


def times(results: Results) -> str:
    """What the runs' seconds went to, from the times of their logs."""
    spent: dict[str, float] = defaultdict(float)
    for run in results.runs:
        events = [e for e in json_lines(run.folder / "metrics.jsonl") if isinstance(e, dict) and "time" in e]
        for before, after in pairwise(events):
            seconds = after["time"] - before["time"]
            if after["event"] == "step":
                spent["training"] += seconds
            elif before["event"] == "step":
                spent["generation"] += seconds
            else:
                spent["scoring"] += seconds
    whole = sum(spent.values())
    shares = ", ".join(f"{name} {100 * value / whole:.1f} %" for name, value in spent.items())
    return f"{len(results.runs)} runs, {whole / 3600:.2f} hours of runs by their logs: {shares}."


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
