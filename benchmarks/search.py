"""The tables of docs/pocket-search.md: ``python benchmarks/search.py runs/pocket-search``.

For each search the rates tried and the one taken, then each criterion's choice of rate and of checkpoint and their
regret, the figures at the best rate over seeds, and what the time went to. Markdown, from the runs' files alone.
"""

from __future__ import annotations

import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path

from xlgen.results.files import read_lines
from xlgen.results.rows import Results, load
from xlgen.results.runs import Run, rate_text
from xlgen.selection.choices import CRITERIA, checkpoint_choices, rate_choices, searches
from xlgen.selection.criteria import LANGUAGE_RATE, best_step, build_criterion, over_sources, over_targets

TARGET = build_criterion("target")


def main() -> None:
    folder = Path(sys.argv[1])
    results = load(folder)
    groups = [group for group in searches(results) if group[0].seed == 0]
    print(rates(results, groups), regrets(results, groups), seeds(results, groups), times(results), sep="\n\n")


def rates(results: Results, groups: Iterable[list[Run]]) -> str:
    """A row a search: rate by rate the best checkpoint's metric in the other languages."""
    rows = []
    for group in groups:
        scores = {run.learning_rate or 0.0: best_step(TARGET, results, run).score for run in group}
        best = max(scores, key=lambda rate: (scores[rate], -rate))
        cells = [
            f"**{rate_text(r)} {v:.1f}**" if r == best else f"{rate_text(r)} {v:.1f}" for r, v in sorted(scores.items())
        ]
        rows.append([*about(group[0]), ", ".join(cells)])
    return markdown(["backbone", "method", "task", "rates and figures"], rows)


def regrets(results: Results, groups: list[list[Run]]) -> str:
    """Mean and largest regret of each criterion, for rates with their checkpoints, and for checkpoints by language."""
    of_rates, of_steps = defaultdict(list), defaultdict(list)
    for group in groups:
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


def seeds(results: Results, groups: Iterable[list[Run]]) -> str:
    """A row a search: the best rate over its seeds."""
    rows = []
    for group in groups:
        best = max(group, key=lambda run: (best_step(TARGET, results, run).score, -(run.learning_rate or 0.0)))
        same = [run for run in results.runs if run.name == best.name or run.name.startswith(f"{best.name}-seed=")]
        figures: Mapping[str, list[float]] = defaultdict(list)
        for run in same:
            step = best_step(TARGET, results, run).step
            figures["source"].append(over_sources(results, run, run.main_metric, step))
            figures["target"].append(over_targets(results, run, run.main_metric, step))
            figures["rate"].append(over_targets(results, run, LANGUAGE_RATE, step))
            figures["xlrs"].append(over_targets(results, run, "xlrs", step))
        spread = f"{min(figures['target']):.1f} to {max(figures['target']):.1f}" if len(same) > 1 else ""
        rows.append(
            [
                *about(best),
                rate_text(best.learning_rate or 0.0),
                str(len(same)),
                f"{statistics.fmean(figures['source']):.1f}",
                f"{statistics.fmean(figures['target']):.1f}",
                spread,
                f"{statistics.fmean(figures['rate']):.1f}",
                f"{statistics.fmean(figures['xlrs']):.2f}",
            ]
        )
    head = ["backbone", "method", "task", "rate", "seeds", "en", "others", "from, to", "right language", "XLRS"]
    return markdown(head, rows)


def times(results: Results) -> str:
    """What the runs' seconds went to, from the times of their logs."""
    spent: dict[str, float] = defaultdict(float)
    for run in results.runs:
        events = [e for e in read_lines(run.folder / "metrics.jsonl") if "time" in e]
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


def about(run: Run) -> list[str]:
    return [run.backbone, run.method, run.task or ""]


def markdown(head: list[str], rows: Iterable[list[str]]) -> str:
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
